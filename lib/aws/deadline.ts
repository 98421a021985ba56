import { SECOND_MS } from "../clock.ts";

/** External calls end so long before the function does, to leave time for settling. */
const SETTLE_MS = 8 * SECOND_MS;
/** With less time, nothing new begins: a read, a write and a status need this long. */
const BEGIN_MS = 25 * SECOND_MS;

/** The remaining time of an invocation. */
export interface Deadline extends Disposable {
  /** Aborts early enough to settle the running work. */
  readonly signal: AbortSignal;
  /** Whether no new work may begin; it is handed back instead. */
  isNear(): boolean;
}

export function deadlineOf(context: { getRemainingTimeInMillis(): number }): Deadline {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), Math.max(0, context.getRemainingTimeInMillis() - SETTLE_MS));
  return {
    signal: controller.signal,
    isNear: () => context.getRemainingTimeInMillis() < BEGIN_MS,
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
