import { circuitOfCluster } from "../circuits.ts";
import type { EpochMs } from "../clock.ts";
import type { Circuit, ClusterRow } from "../ports/store.ts";

/**
 * Since when a cluster can't be read: its last watch pass failed, or its circuit is open, because a watch on a silent
 * cluster notices nothing. Undefined: it can be read, or has had no watch pass yet.
 */
export function outOfSightSince(
  name: string,
  row: Pick<ClusterRow, "state"> | undefined,
  open: readonly Pick<Circuit, "id" | "since">[],
): EpochMs | undefined {
  const circuit = open.find(({ id }) => id === circuitOfCluster(name));
  const times = [row?.state.outOfSight, circuit?.since].filter((at) => at !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Clusters of the fleet that can't be read. */
export function clustersOutOfSight(
  fleet: readonly string[],
  rows: readonly ClusterRow[],
  open: readonly Circuit[],
): readonly string[] {
  const known = new Map(rows.map((row) => [row.name, row]));
  return fleet.filter((name) => outOfSightSince(name, known.get(name), open) !== undefined);
}
