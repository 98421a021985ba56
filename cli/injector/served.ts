import type { InjectorPackage } from "../../lib/admission/packaged.ts";
import type { Reviewer, ServedCluster, ServedClusters } from "../../lib/admission/review.ts";
import type { Fleet } from "../../lib/fleet/fleet.ts";
import { keyHash, keyHashBytes } from "../../lib/injector-keys.ts";
import { rememberedOf } from "../../lib/util/remembered.ts";
import type { ManagedKeys } from "./managed-keys.ts";
import { reviewerOf, settingsOf } from "./settings.ts";

/** The clusters of a fleet whose API servers may ask, with the keys that keyferry made for them. */
export function servedByFleet(fleet: () => Fleet, keys: Pick<ManagedKeys, "of">): () => ServedClusters {
  const reviewers = rememberedOf((one: Fleet): ReadonlyMap<string, Reviewer> => reviewersOf(one));
  return () => {
    const now = fleet();
    return lazily(reviewers(now), now, keys);
  };
}

function reviewersOf(fleet: Fleet): ReadonlyMap<string, Reviewer> {
  return new Map(fleet.clusters.map((cluster) => [cluster.name, reviewerOf(settingsOf(fleet, cluster))]));
}

/** A view that makes only the cluster that is asked for. */
function lazily(reviewers: ReadonlyMap<string, Reviewer>, fleet: Fleet, keys: Pick<ManagedKeys, "of">): ServedClusters {
  const get = (name: string): ServedCluster | undefined => {
    const review = reviewers.get(name);
    const cluster = fleet.clusters.find((one) => one.name === name);
    if (review === undefined || cluster === undefined) return undefined;
    const hashes = [...(cluster.injector?.keys ?? []), ...keys.of(name).map(keyHash)];
    return { keys: hashes.map(keyHashBytes), review };
  };
  return { get };
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
