import { partsOf, type SyncKey } from "./keys.ts";

/** What a token was obtained for: the syncs of one cluster, or the fleet as a whole. */
export type TokenScope = `cluster:${string}` | "fleet";

export function scopeOfCluster(cluster: string): TokenScope {
  return `cluster:${cluster}`;
}

/** A token that is obtained for a sync is its cluster's. */
export function scopeOfSync(key: SyncKey): TokenScope {
  return scopeOfCluster(partsOf(key).cluster);
}

/** Undefined: the fleet's. */
export function clusterOfScope(scope: TokenScope): string | undefined {
  return scope === "fleet" ? undefined : scope.slice("cluster:".length);
}
