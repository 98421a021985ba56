import { type EpochMs, HOUR_MS } from "../clock.ts";
import type { ErrorCode } from "../errors.ts";
import type { DomainEvent } from "./rows.ts";

/** A Vault or cluster that is out of reach: one row for all its syncs (lease-table 16). */
export interface Circuit {
  /** `vault:<address>`, `cluster:<name>`, or, for a suspension, `vso:<cluster>` or `vso:<cluster>/<namespace>`. */
  readonly id: string;
  readonly code: ErrorCode;
  /** A message for all waiting syncs, without a path or connection of one of them. */
  readonly message: string;
  readonly since: EpochMs;
  readonly attempts: number;
  readonly fence: number;
  /** When the next probe is due; while a probe is claimed, the end of that claim. */
  readonly probeAt: EpochMs;
}

/** An event of a circuit that nothing accepted for so long may be forgotten. */
export const CIRCUIT_EVENT_KEPT_MS = 6 * HOUR_MS;

/** Domain events of circuits are stored beside them, until they are sent: a circuit that closes leaves no row. */
export interface CircuitStore {
  circuits(): Promise<readonly Circuit[]>;
  /** False when it is already open: an outage is written once. `event` is stored in the same step. */
  openCircuit(circuit: Circuit, event?: DomainEvent): Promise<boolean>;
  /** Claims the probe until `until` if the circuit is unchanged and due: fence + 1. */
  claimProbe(
    circuit: Circuit,
    options: { readonly now: EpochMs; readonly until: EpochMs },
  ): Promise<Circuit | undefined>;
  /** The probe failed: the next one is at `probeAt`. */
  keepOpen(
    claimed: Circuit,
    next: { readonly code: ErrorCode; readonly message: string; readonly attempts: number; readonly probeAt: EpochMs },
  ): Promise<boolean>;
  /** The probe succeeded: removes the row, and stores `event` in the same step. */
  closeCircuit(claimed: Circuit, event?: DomainEvent): Promise<boolean>;
  /** The oldest events that are not cleared. */
  circuitEvents(limit: number): Promise<readonly DomainEvent[]>;
  clearCircuitEvents(events: readonly Pick<DomainEvent, "id" | "at">[]): Promise<void>;
}
