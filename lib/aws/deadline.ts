import { SECOND_MS } from "../clock.ts";

/** External calls end so long before the function does: what was begun is settled in that time. */
const SETTLE_MS = 8 * SECOND_MS;
/** Nothing is begun with less than that: a read, a write and a status with their time-outs. */
const BEGIN_MS = 25 * SECOND_MS;

/** How much of an invocation is left. */
export interface Deadline extends Disposable {
  /** Aborts in time to settle what is under way. */
  readonly signal: AbortSignal;
  /** No work is to be begun any more: it is handed back. */
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
