import { SyncError } from "../errors.ts";

/** Returns the work's value, or the SyncError that it throws. Other errors are thrown on. */
export function attempt<T>(work: () => T): T | SyncError {
  try {
    return work();
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
}
