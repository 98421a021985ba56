import { SyncError } from "../../errors.ts";

/** How often a row is read again after a concurrent write. */
const TRIES = 10;

/** The result of an attempt that lost against a concurrent write. */
export const OVERTAKEN = Symbol();

/** Reads, checks and writes until no concurrent write interferes; almost always once. */
export async function untilItHolds<T>(what: string, attempt: () => Promise<T | typeof OVERTAKEN>): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    const result = await attempt();
    if (result !== OVERTAKEN) return result;
  }
  throw new SyncError(
    "STORE_UNAVAILABLE",
    `${what} lost against ${TRIES} concurrent writes in a row: keyferry tries again`,
  );
}
