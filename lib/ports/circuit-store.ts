import type { EpochMs } from "../clock.ts";
import type { ErrorCode } from "../errors.ts";

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

export interface CircuitStore {
  circuits(): Promise<readonly Circuit[]>;
  /** False when it is already open: an outage is written once. */
  openCircuit(circuit: Circuit): Promise<boolean>;
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
  /** The probe succeeded: removes the row. */
  closeCircuit(claimed: Circuit): Promise<boolean>;
}
