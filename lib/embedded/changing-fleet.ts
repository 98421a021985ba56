import { isDeepStrictEqual } from "node:util";
import { releaseDeparted } from "../discovery/departed.ts";
import type { DiscoveryDeps } from "../discovery/deps.ts";
import { renewAll } from "../discovery/renew.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Followers } from "./followers.ts";

/** The clusters of a running engine, which change with fleet.yaml. */
export interface ChangingFleet {
  clusters(): readonly ClusterSettings[];
  /** Applies a new fleet. Call it again after an error: it completes the rest. */
  change(clusters: readonly ClusterSettings[], how: FleetChangeOptions): Promise<void>;
  /** From now on these followers watch the clusters, in their current state. */
  followedBy(followers: Followers): Promise<void>;
}

export interface FleetChangeOptions {
  /** Runs every sync again. */
  readonly renewAll?: boolean;
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
  /** Clusters with new settings, until every sync is notified. */
  const toRenew = new Set<string>();
  const takeUp = async (followers: Followers): Promise<void> => {
    const change = await followers.set(clusters);
    const isChange = Object.values(change).some((names) => names.length > 0);
    if (isChange) deps.log.info("fleet-changed", { ...change });
    const names = new Set(clusters.map(({ name }) => name));
    if (!isIncomplete) await releaseDeparted(deps, clusters, { isAlone: true });
    for (const name of [...toRenew]) {
      if (names.has(name)) await renewAll(deps, name);
      toRenew.delete(name);
    }
  };
  return {
    clusters: () => clusters,
    async change(now, how) {
      const { renewAll: isRenewed = false } = how;
      isIncomplete = how.isIncomplete ?? false;
      const before = new Map(clusters.map((settings) => [settings.name, settings]));
      for (const settings of now) {
        const known = before.get(settings.name);
        if (known && (isRenewed || !isDeepStrictEqual(syncSettings(known), syncSettings(settings)))) {
          toRenew.add(settings.name);
        }
      }
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

/** The settings that syncs depend on. Only watch passes depend on the connection and the followed namespaces. */
function syncSettings(settings: ClusterSettings & { readonly connect?: unknown }): object {
  const { connect: _connect, injector: _injector, labels: _labels, namespaces: _namespaces, ...rest } = settings;
  return rest;
}
