import type { InjectorPackage } from "../../lib/admission/packaged.ts";
import type { ServedCluster, ServedClusters } from "../../lib/admission/review.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Fleet } from "../../lib/fleet/fleet.ts";
import { keyHash, keyHashBytes } from "../../lib/injector-keys.ts";
import { remembered, rememberedOf } from "../../lib/util/remembered.ts";
import type { ManagedKeys } from "./managed-keys.ts";
import { reviewerOf, settingsOf } from "./settings.ts";

/** More than there are keys. */
const MAX_HASHES = 10_000;

/** The clusters of a fleet whose API servers may ask, with the keys that keyferry made for them. */
export function servedByFleet(fleet: () => Fleet, keys: Pick<ManagedKeys, "of">, clock: Clock): () => ServedClusters {
  const clustersOf = rememberedOf((one: Fleet): ReadonlyMap<string, ServedCluster> => clustersIn(one));
  // Made once for each key: strangers must not see by the time whether a cluster has keys.
  const hashOf = remembered((key: string) => keyHashBytes(keyHash(key)), MAX_HASHES);
  return () => {
    const clusters = clustersOf(fleet());
    return {
      get(name) {
        const found = clusters.get(name);
        return found && { ...found, keys: [...found.keys, ...keys.of(name, clock()).map(hashOf)] };
      },
    };
  };
}

function clustersIn(fleet: Fleet): ReadonlyMap<string, ServedCluster> {
  const served = fleet.clusters.map((cluster): readonly [string, ServedCluster] => {
    const keys = (cluster.injector?.keys ?? []).map(keyHashBytes);
    return [cluster.name, { keys, review: reviewerOf(settingsOf(fleet, cluster)) }];
  });
  return new Map(served);
}

/** What the function gets with its code: the clusters that have keys. */
export function packageOf(fleet: Fleet): InjectorPackage {
  const served = fleet.clusters.filter(({ injector }) => (injector?.keys ?? []).length > 0);
  const clusters = served.map((cluster) => {
    const { injector, name } = cluster;
    return [name, { keys: injector?.keys ?? [], settings: settingsOf(fleet, cluster) }] as const;
  });
  return { version: 1, clusters: Object.fromEntries(clusters) };
}
