import { setTimeout as sleepFor } from "node:timers/promises";
import type { Clock, EpochMs } from "../clock.ts";
import { described } from "../described.ts";
import type { Log } from "../ports/telemetry.ts";

/** Does this work at once and then every so often, until the signal; a failure is logged and ends nothing. */
export async function every(
  ms: number,
  deps: { readonly clock: Clock; readonly log: Log },
  stop: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  while (!stop.aborted) {
    const startedAt = deps.clock();
    try {
      await work();
    } catch (error) {
      deps.log.error("tick-crashed", described(error));
    }
    await sleep(nextBeat(deps.clock, startedAt, ms), stop);
  }
}

/** Never more than `ms`: the clock may have stepped back during the work. */
function nextBeat(clock: Clock, startedAt: EpochMs, ms: number): number {
  return Math.min(ms, Math.max(0, startedAt + ms - clock()));
}

/** Resolves early, without an error, when the signal aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  try {
    await sleepFor(ms, undefined, { signal });
  } catch {
    // Only the signal rejects it.
  }
}
