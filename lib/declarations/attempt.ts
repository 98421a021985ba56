import { SyncError } from "../errors.ts";

/** What came of the work: its value, or the SyncError that it threw. Whatever else it throws is thrown on. */
export function attempt<T>(work: () => T): T | SyncError {
  try {
    return work();
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
}
