import { vaultOfCircuit } from "../circuits.ts";
import { SyncError } from "../errors.ts";

/**
 * A Vault that gives access to a row's cluster may be another one than the row's own. The end of that outage wakes no
 * row that reads elsewhere, so such a row tries again by itself: its error names no circuit. `own`: the circuit of the
 * Vault that the row waits for, if any.
 */
export function ownOutage(error: SyncError, own?: string): SyncError {
  const { code, message, circuit, cause } = error;
  const isAnothers = circuit !== undefined && circuit !== own && vaultOfCircuit(circuit) !== undefined;
  return isAnothers ? new SyncError(code, message, { cause }) : error;
}
