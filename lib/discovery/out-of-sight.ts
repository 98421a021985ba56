import { circuitOfCluster } from "../circuits.ts";
import type { EpochMs } from "../clock.ts";
import type { Circuit, ClusterRow } from "../ports/store.ts";

/**
 * Since when a cluster can't be looked at: its last watch pass failed, or its circuit is open, since a watch on a silent cluster
 * notices nothing. Undefined: it can, or nobody has tried yet.
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

/** Those of the fleet that can't be looked at. */
export function clustersOutOfSight(
  fleet: readonly string[],
  rows: readonly ClusterRow[],
  open: readonly Circuit[],
): readonly string[] {
  const known = new Map(rows.map((row) => [row.name, row]));
  return fleet.filter((name) => outOfSightSince(name, known.get(name), open) !== undefined);
}
