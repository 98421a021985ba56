import type { Row, RowState } from "./rows.ts";
import type { Lease, Settlement } from "./store.ts";

/** Our right to work on one row, from the moment it was read until it is settled. Nothing else takes or ends its lease. */
export interface Claim {
  /** The row as it was read, with everything that was recorded since. */
  readonly row: Row;
  /** Whether the lease is taken. */
  readonly isTaken: boolean;
  /** Takes the lease, unless this claim has it. False: another worker has it, or the declaration changed and the row is due again. */
  take(): Promise<boolean>;
  /** For each external write: takes the lease if need be, and makes sure that the write ends before the lease does. Throws LEASE_LOST. */
  require(): Promise<Lease>;
  /** Stores, under the fence, what must be known whatever becomes of the next step. Throws LEASE_LOST. */
  record(learned: Partial<RowState>): Promise<void>;
  /** Ends the lease, and sends the row on if it is due soon. Without the lease it does nothing. */
  settle(settlement: Settlement): Promise<void>;
}
