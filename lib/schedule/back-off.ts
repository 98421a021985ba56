import type { Random } from "../clock.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { Disposition } from "../errors.ts";

const FIRST_RETRY_MS = SECOND_MS;
const FIRST_RECHECK_MS = 30 * SECOND_MS;

/** The longest pauses: with a tick and a run on top, an external repair is noticed within a minute, or five. */
const LONGEST_PROMPT_MS = 45 * SECOND_MS;
export const LONGEST_PAUSE_MS = 4 * MINUTE_MS;

/** Syncs with a short refreshAfter notice an external repair within a minute, all others within five. */
export function longestPause(refreshAfterMs: number | undefined): number {
  return refreshAfterMs !== undefined && refreshAfterMs <= MINUTE_MS ? LONGEST_PROMPT_MS : LONGEST_PAUSE_MS;
}

export interface BackOff {
  readonly disposition: Disposition;
  /** Consecutive failures, this one included: 1 or more. */
  readonly attempts: number;
  /** The pause that the server asked for, in ms: a minimum, up to an hour. */
  readonly retryAfterMs?: number;
  /** The longest pause, in ms, unless the server asks for more; default: LONGEST_PAUSE_MS. */
  readonly longestMs?: number;
}

/** How long to wait after a failure, in ms; undefined when time alone does not help (park, drop). */
export function backOff(failure: BackOff, random: Random): number | undefined {
  if (failure.disposition === "retry") return retryDelay(failure, random);
  if (failure.disposition === "recheck") return recheckDelay(failure, random);
  return undefined;
}

/** Full jitter, so that a thousand syncs that failed together do not come back together. */
function retryDelay(failure: BackOff, random: Random): number {
  const { retryAfterMs } = failure;
  const jitter = Math.ceil(random() * doubled(FIRST_RETRY_MS, failure));
  // The server's pause is a minimum. The whole jitter comes on top: of the syncs that wait for the same pause, fewer
  // return at once each time, also where the pause is always a second.
  return Math.min(retryAfterMs ?? 0, HOUR_MS) + jitter;
}

/** Half of the pause is fixed: someone must act first, so an immediate check is useless. */
function recheckDelay(failure: BackOff, random: Random): number {
  const { retryAfterMs } = failure;
  const whole = doubled(FIRST_RECHECK_MS, failure);
  return Math.max(Math.ceil(whole / 2 + (random() * whole) / 2), Math.min(retryAfterMs ?? 0, HOUR_MS));
}

function doubled(firstMs: number, { attempts, longestMs = LONGEST_PAUSE_MS }: BackOff): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(attempts - 1, 30));
}
