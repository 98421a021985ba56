import { setTimeout as timer } from "node:timers/promises";

/** Whole milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number;

/** The current time. Passed in, so that tests can set it. */
export type Clock = () => EpochMs;

/** Returns a number in [0, 1). Passed in, so that jitter is reproducible. */
export type Random = () => number;

/** Resolves after this time, or early when the signal aborts; never rejects. Passed in, like the clock. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** Does this work with a signal that aborts after this time. Passed in, like the clock. */
export type WithDeadline = <T>(ms: number, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** Units of durations, in ms. */
export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** The machine's clock. Only the wiring in functions/ and cli/ uses it. */
export const systemClock: Clock = () => Date.now();

/** The machine's timers. Only the wiring uses them, too. */
export const systemDeadline: WithDeadline = (ms, work) => work(AbortSignal.timeout(ms));
export const systemSleep: Sleep = async (ms, signal) => {
  if (signal?.aborted) return;
  // Only the signal rejects it.
  await timer(ms, undefined, signal && { signal }).catch(() => undefined);
};
