import type { Row, RowState } from "./rows.ts";
import type { Lease, Settlement } from "./store.ts";

/** The right to work on one row, from its read until its settle. Only this takes or ends the row's lease. */
export interface Claim {
  /** The row as read, with everything recorded since. */
  readonly row: Row;
  /** Whether the lease is taken. */
  readonly isTaken: boolean;
  /** The last run did not end: what it wrote to the resource's status is not known. Missing: it did. */
  readonly isAfterCut?: boolean;
  /**
   * Takes the lease, unless this claim has it. False: another worker has it, or the declaration changed and the row is
   * due again.
   */
  take(): Promise<boolean>;
  /**
   * Call before each external write: takes the lease, unless this claim has it, and ensures that the write ends before
   * the lease. Throws LEASE_LOST; and PATH_TAKEN, unless only a `status` is written, which has to say so.
   */
  takeToWrite(to?: "status"): Promise<Lease>;
  /** Stores under the fence what must survive a failure of the next step. Throws LEASE_LOST. */
  record(learned: Partial<RowState>): Promise<void>;
  /** Keeps what was learned for the next record or settle; stores nothing. */
  note(learned: Partial<RowState>): void;
  /**
   * Ends the lease, and sends a message if the row is due soon. Does nothing without the lease. Unless the destination
   * was `verified`, a request to verify it is left to a later run: a settle alone would end it.
   */
  settle(settlement: Settlement, how?: "verified"): Promise<void>;
}
