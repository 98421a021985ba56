import { circuitOfCluster, isProbeDue } from "../circuits.ts";
import { type EpochMs, MINUTE_MS } from "../clock.ts";
import { OUTAGE_CODES } from "../errors.ts";
import type { Circuit, ClusterRow } from "../ports/store.ts";

/** The state that decides which watch passes are due. */
export interface PassesInput {
  /** Names of the fleet's clusters. */
  readonly fleet: readonly string[];
  readonly rows: readonly ClusterRow[];
  readonly open: readonly Circuit[];
  readonly now: EpochMs;
}

/** A cluster to watch, with the fence of its row at the time of the decision: 0 without a row. */
export interface DuePass {
  readonly cluster: string;
  readonly fence: number;
}

/**
 * The clusters that are due for a watch pass. A cluster whose circuit closed after its last pass failed is due at once.
 */
export function passesDue({ fleet, rows, open, now }: PassesInput): readonly DuePass[] {
  const known = new Map(rows.map((row) => [row.name, row]));
  const isOpen = new Set(open.map(({ id }) => id));
  return fleet.flatMap((cluster) => {
    const row = known.get(cluster);
    if (row === undefined) return [{ cluster, fence: 0 }];
    const isClaimed = row.leaseUntil !== undefined && row.leaseUntil > now;
    const wasOut = row.state.error !== undefined && OUTAGE_CODES.has(row.state.error.code);
    const isBack = wasOut && !isOpen.has(circuitOfCluster(cluster));
    return !isClaimed && (row.dueAt <= now || isBack) ? [{ cluster, fence: row.fence }] : [];
  });
}

/** How often all tokens are swept, in ms, to cover changes without an event and lost messages. */
export const TOKEN_SWEEP_MS = 10 * MINUTE_MS;

/** Whether this minute's tick requests the sweep. A missed one comes ten minutes later. */
export function isTokenSweepDue(now: EpochMs): boolean {
  return now % TOKEN_SWEEP_MS < MINUTE_MS;
}

/** Circuits whose probe should have begun: its message is lost or late. */
export function probesOverdue(open: readonly Circuit[], now: EpochMs): readonly Circuit[] {
  return open.filter((circuit) => isProbeDue(circuit, now));
}
