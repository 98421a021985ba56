import { releaseDeparted } from "../discovery/departed.ts";
import type { DiscoveryDeps } from "../discovery/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Followers } from "./followers.ts";

/** The clusters of a running engine, which change with fleet.yaml. */
export interface ChangingFleet {
  clusters(): readonly ClusterSettings[];
  /**
   * Applies a new fleet. Call it again after an error: it completes the rest. Watch passes run the syncs of clusters with
   * new settings again.
   */
  change(clusters: readonly ClusterSettings[], how: FleetChangeOptions): Promise<void>;
  /** From now on these followers watch the clusters, in their current state. */
  followedBy(followers: Followers): Promise<void>;
}

export interface FleetChangeOptions {
  /** The clusters of a hub are not known yet: nobody is released, because every other cluster may be one of them. */
  readonly isIncomplete?: boolean;
}

type Deps = Pick<DiscoveryDeps, "leases" | "queue" | "clock" | "log">;

export function changingFleet(
  first: readonly ClusterSettings[],
  deps: Deps,
  { isIncomplete: isFirstIncomplete = false }: FleetChangeOptions = {},
): ChangingFleet {
  let clusters = first;
  let isIncomplete = isFirstIncomplete;
  let following: Followers | undefined;
  const takeUp = async (followers: Followers): Promise<void> => {
    const change = await followers.set(clusters);
    const isChange = Object.values(change).some((names) => names.length > 0);
    if (isChange) deps.log.info("fleet-changed", { ...change });
    if (!isIncomplete) await releaseDeparted(deps, clusters, { isAlone: true });
  };
  return {
    clusters: () => clusters,
    async change(now, how) {
      isIncomplete = how.isIncomplete ?? false;
      clusters = now;
      if (following) await takeUp(following);
    },
    async followedBy(followers) {
      following = followers;
      const isChanged = clusters !== first;
      if (isChanged) await takeUp(followers);
      else await followers.set(clusters);
    },
  };
}
