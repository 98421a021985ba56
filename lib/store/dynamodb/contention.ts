import { SyncError } from "../../errors.ts";

/** How often a row is read anew for a write that others overtook. */
const TRIES = 10;

/** What an attempt answers when someone else was first. */
export const OVERTAKEN = Symbol("overtaken");

/** Reads, checks and writes until nobody else wrote in between: on all but the rarest days, once. */
export async function untilItHolds<T>(what: string, attempt: () => Promise<T | typeof OVERTAKEN>): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    const result = await attempt();
    if (result !== OVERTAKEN) return result;
  }
  throw new SyncError("STORE_UNAVAILABLE", `${what} was written by others ${TRIES} times in a row: it is tried again`);
}
