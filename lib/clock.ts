/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number;

/** Where the time comes from. It is passed in, so that tests can move it. */
export type Clock = () => EpochMs;

/** A number in [0, 1). Passed in, so that jitter can be reproduced. */
export type Random = () => number;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** The machine's clock: named here once, and by the wiring in functions/ and cli/ only. */
export const systemClock: Clock = () => Date.now();
