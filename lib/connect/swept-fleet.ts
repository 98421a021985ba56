import type { FleetCluster } from "../fleet/fleet.ts";

/** The clusters and hubs whose stored credentials stay in a sweep. */
export interface SweptFleet {
  readonly clusters: readonly Pick<FleetCluster, "name" | "connect">[];
  /** Hubs whose clusters are not known: nothing is swept meanwhile. */
  readonly unread?: readonly unknown[];
}
