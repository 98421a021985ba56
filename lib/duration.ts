import { HOUR_MS, MINUTE_MS, SECOND_MS } from "./clock.ts";

/** A duration as resources write it: a number and one unit, `1.5h`. VSO's schema refuses `1h30m` as well. */
export const DURATION_PATTERN = /^([0-9]+(\.[0-9]+)?(s|m|h))$/;

/** The complaint about a text that does not match. */
export const DURATION_HINT = 'must be a number and one of s, m, h, such as "30s" or "1.5h"';

/** Go's longest duration (2^63 - 1 ns, about 292 years), in ms. */
export const MAX_DURATION_MS = 9_223_372_036_854;

const UNITS = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS } as const;

/**
 * In whole ms, rounded up so that no positive duration becomes zero; undefined when it is missing, invalid, or too long
 * for Go.
 */
export function parseDuration(text = ""): number | undefined {
  if (!DURATION_PATTERN.test(text)) return undefined;
  const unit = UNITS[text.slice(-1) as keyof typeof UNITS];
  // Six decimals of a millisecond are Go's nanosecond; smaller parts are rounding errors (0.1 h is 360,000 ms).
  const ms = Math.ceil(Number((Number(text.slice(0, -1)) * unit).toFixed(6)));
  return ms <= MAX_DURATION_MS ? ms : undefined;
}
