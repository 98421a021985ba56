import type { Clock } from "../clock.ts";
import { releaseDeparted } from "../discovery/departed.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { LeaseStore } from "../ports/store.ts";
import type { Log } from "../ports/telemetry.ts";
import { notingReleases } from "./plan-releases.ts";
import type { Planned } from "./planned.ts";

/** The clusters of fleet.yaml and its hubs at one time. */
export interface FleetThen {
  readonly clusters: readonly ClusterSettings[];
  /** Hubs whose clusters are not known: nobody is released meanwhile. */
  readonly unread: readonly unknown[];
}

export interface Departures {
  readonly clusters: readonly string[];
  readonly syncs: readonly Planned[];
}

/**
 * What a run releases of clusters that left the fleet, tried on a copy of the lease table. It releases by what is stored
 * of hubs before it reads them: so a cluster that moves to a hub that was read before is released, and comes back as a
 * new one. `fleets` are in this order.
 */
export async function departures(
  leases: LeaseStore,
  fleets: readonly FleetThen[],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Departures> {
  const left: string[] = [];
  const syncs: Planned[] = [];
  for (const { clusters, unread } of fleets) {
    if (unread.length > 0) continue;
    const names = new Set(clusters.map(({ name }) => name));
    left.push(...(await leases.clusters()).map(({ name }) => name).filter((name) => !names.has(name)));
    const noted = notingReleases(leases, clusters);
    const deps = { leases: noted.leases, queue: { send: async () => undefined }, clock, log };
    await releaseDeparted(deps, clusters, { isAlone: true });
    syncs.push(...noted.released());
  }
  return { clusters: left, syncs };
}
