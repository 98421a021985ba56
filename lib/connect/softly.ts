import { SyncError } from "../errors.ts";
import type { Log } from "../ports/telemetry.ts";

/** Runs work whose failure must cost no cluster: a SyncError is logged as `event`, and the answer is undefined. */
export function softly(log: Log, event: string) {
  return async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      log.warn(event, { code: error.code, message: error.message });
      return undefined;
    }
  };
}
