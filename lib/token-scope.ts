import { partsOf, type SyncKey } from "./keys.ts";

/** What a token was obtained for: the syncs of one cluster, or the whole fleet. */
export type TokenScope = `cluster:${string}` | "fleet";

/** The scope of tokens that only this cluster's syncs use: they are revoked when it leaves the fleet. */
export function scopeOfCluster(cluster: string): TokenScope {
  return `cluster:${cluster}`;
}

/** A sync's token belongs to its cluster. */
export function scopeOfSync(key: SyncKey): TokenScope {
  return scopeOfCluster(partsOf(key).cluster);
}

/** Undefined for the fleet. */
export function clusterOfScope(scope: TokenScope): string | undefined {
  return scope === "fleet" ? undefined : scope.slice("cluster:".length);
}
