import { SyncError } from "../errors.ts";

/** The error for a request to a cluster that is not, or no longer, in the fleet. */
export function notInFleet(cluster: string): SyncError {
  return new SyncError("REFERENCE_INVALID", `cluster ${cluster} is not in the fleet: add it to fleet.yaml`);
}
