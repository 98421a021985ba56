import { partsOf, type SyncKey } from "../keys.ts";
import { namespaceMatcher } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { LeaseStore } from "../ports/store.ts";
import { isReferenceStatus } from "../resource-kinds.ts";
import type { Planned } from "./planned.ts";

/** What a run's watch passes would release, tried on a copy of the lease table: rows go, Secrets stay. */
export interface NotedReleases {
  readonly leases: LeaseStore;
  released(): readonly Planned[];
}

export function notingReleases(leases: LeaseStore, clusters: readonly ClusterSettings[]): NotedReleases {
  const byName = new Map(clusters.map((settings) => [settings.name, settings]));
  const released: Planned[] = [];
  const noting = async <T>(key: SyncKey, release: () => Promise<T>): Promise<T> => {
    const row = (await leases.read([key], "strong")).get(key);
    const done = await release();
    if (row === undefined || isReferenceStatus(key)) return done;
    const releases = row.state.owned.map(({ name }) => name);
    const because = `${reasonOf(key, byName)}: keyferry forgets it, and its Secrets stay`;
    released.push({ key, action: "release", because, removes: [], restarts: [], releases });
    return done;
  };
  return {
    released: () => released,
    leases: {
      ...leases,
      release: (key, hash) => noting(key, () => leases.release(key, hash)),
      retire: (key, until, now, hash) => noting(key, () => leases.retire(key, until, now, hash)),
    },
  };
}

function reasonOf(key: SyncKey, clusters: ReadonlyMap<string, ClusterSettings>): string {
  const { cluster, namespace } = partsOf(key);
  const settings = clusters.get(cluster);
  if (settings === undefined) return "its cluster left fleet.yaml";
  if (!namespaceMatcher(settings.namespaces)(namespace)) return "fleet.yaml leaves its namespace out";
  return "another cluster has that name now";
}
