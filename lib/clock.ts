/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number;

/** The current time. Passed in, so that tests can set it. */
export type Clock = () => EpochMs;

/** Returns a number in [0, 1). Passed in, so that jitter is reproducible. */
export type Random = () => number;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** The machine's clock. Only the wiring in functions/ and cli/ uses it. */
export const systemClock: Clock = () => Date.now();
