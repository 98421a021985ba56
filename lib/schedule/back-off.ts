import type { Random } from "../clock.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { Disposition } from "../errors.ts";

const RETRY = { firstMs: SECOND_MS, capMs: 5 * MINUTE_MS };
const RECHECK = { firstMs: 30 * SECOND_MS, capMs: HOUR_MS };

export interface BackOff {
  readonly disposition: Disposition;
  /** Failures in a row, this one included: 1 or more. */
  readonly attempts: number;
  /** What the server asked for, in ms: never less than that, up to an hour. */
  readonly retryAfterMs?: number;
}

/** How long to wait after a failure, in ms; undefined when time alone brings nothing (park, drop). */
export function backOff(failure: BackOff, random: Random): number | undefined {
  if (failure.disposition === "retry") return retryDelay(failure, random);
  if (failure.disposition === "recheck") return recheckDelay(failure, random);
  return undefined;
}

/** Full jitter, so that a thousand syncs that failed together do not come back together. */
function retryDelay({ attempts, retryAfterMs }: BackOff, random: Random): number {
  const jitter = Math.ceil(random() * doubled(RETRY, attempts));
  // The server's pause is a floor, and those it was told to all at once must still not return in one instant.
  if (retryAfterMs === undefined) return jitter;
  const pause = Math.min(retryAfterMs, HOUR_MS);
  return pause + Math.min(jitter, Math.ceil(pause / 4));
}

/** Half of it is certain: someone outside must act first, so that looking at once is of no use. */
function recheckDelay({ attempts, retryAfterMs }: BackOff, random: Random): number {
  const whole = doubled(RECHECK, attempts);
  return Math.max(Math.ceil(whole / 2 + (random() * whole) / 2), Math.min(retryAfterMs ?? 0, HOUR_MS));
}

function doubled(range: { readonly firstMs: number; readonly capMs: number }, attempts: number): number {
  return Math.min(range.capMs, range.firstMs * 2 ** Math.min(attempts - 1, 30));
}
