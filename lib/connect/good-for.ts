import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";

/** How often fetched files are fetched again, so that a rotated token or certificate is used. */
const GOOD_MS = 5 * MINUTE_MS;

/** The end of access that fetched files give. */
export function goodFor(clock: Clock): { readonly expiresAt: EpochMs } {
  return { expiresAt: clock() + GOOD_MS };
}
