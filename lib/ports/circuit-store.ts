import type { EpochMs } from "../clock.ts";
import type { ErrorCode } from "../errors.ts";

/** An end that is out of reach: one row stands for all its syncs (lease-table 16). */
export interface Circuit {
  /** `vault:<address>`, `cluster:<name>`, or, for a suspension, `vso:<cluster>` or `vso:<cluster>/<namespace>`. */
  readonly id: string;
  readonly code: ErrorCode;
  /** In words that are right for all who wait: of no one's path or connection. */
  readonly message: string;
  readonly since: EpochMs;
  readonly attempts: number;
  readonly fence: number;
  /** When the next probe is due; while a probe is claimed, when that claim ends. */
  readonly probeAt: EpochMs;
}

export interface CircuitStore {
  circuits(): Promise<readonly Circuit[]>;
  /** False when it was open already: an outage is written once. */
  openCircuit(circuit: Circuit): Promise<boolean>;
  /** The right to probe until `until`, given that the circuit is as it was read and due: fence + 1. */
  claimProbe(
    circuit: Circuit,
    options: { readonly now: EpochMs; readonly until: EpochMs },
  ): Promise<Circuit | undefined>;
  /** The probe failed: the next one is at `probeAt`. */
  keepOpen(
    claimed: Circuit,
    next: { readonly code: ErrorCode; readonly message: string; readonly attempts: number; readonly probeAt: EpochMs },
  ): Promise<boolean>;
  /** The probe succeeded: the row goes. */
  closeCircuit(claimed: Circuit): Promise<boolean>;
}
