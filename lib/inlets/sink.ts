import { type Clock, type EpochMs, MINUTE_MS, type Random, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { Inlet, MissedReason, Taken } from "../ports/inlet.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { codeOf } from "../util/error-code.ts";
import type { Lines } from "./lines.ts";
import { type Sleep, withDeadline } from "./waits.ts";

/** What every inlet of a process needs. */
export interface InletDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "count">;
}

/** Where one way in puts its lines. */
export interface Sink {
  readonly vault: string;
  /** The way, as fleet.yaml calls it: `file`, `http`, … */
  readonly way: string;
  /** Like `Inlet.take`. */
  take(lines: Lines, signal: AbortSignal): Promise<Taken>;
  /** Like `Inlet.missed`. */
  missed(reason: MissedReason, signal: AbortSignal, of?: readonly SyncKey[]): Promise<void>;
}

/** Counts what passes to the inlet. `onLines` hears of every call with lines. */
export function sinkOf(
  inlet: Inlet,
  way: string,
  { log, metrics }: Pick<InletDeps, "log" | "metrics">,
  onLines: () => void = () => undefined,
): Sink {
  const { vault } = inlet;
  const labels = { vault, inlet: way };
  return {
    vault,
    way,
    async take({ lines, tooLong }, signal) {
      if (lines.length > 0) onLines();
      const taken = lines.length === 0 ? { lines: 0, bad: 0, nudged: 0 } : await inlet.take(lines, signal);
      const bad = taken.bad + tooLong;
      metrics.count("keyferry_inlet_lines_total", labels, lines.length + tooLong);
      if (bad > 0) metrics.count("keyferry_inlet_bad_lines_total", labels, bad);
      return { ...taken, lines: taken.lines + tooLong, bad };
    },
    async missed(reason, signal, of) {
      await inlet.missed(reason, signal, of);
      metrics.count("keyferry_inlet_missed_total", { ...labels, reason });
      log.warn("audit-lines-missed", { vault, inlet: way, reason });
    },
  };
}

/** How long one call of an inlet may take. */
export const CALL_MS = MINUTE_MS;
const LONGEST_PAUSE_MS = 30 * SECOND_MS;
/** How often a failure that continues is logged. */
const LOGGED_EVERY_MS = MINUTE_MS;

/**
 * Repeats work until it succeeds, with back-off and jitter: lines are never given up. Undefined when the signal aborts.
 */
export async function untilDone<T>(
  { clock, random, sleep, log }: InletDeps,
  what: Readonly<Record<string, string>>,
  work: (signal: AbortSignal) => Promise<T>,
  stop: AbortSignal,
): Promise<T | undefined> {
  let loggedAt: EpochMs | undefined;
  for (let pauseMs = SECOND_MS; !stop.aborted; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await withDeadline(CALL_MS, work, stop);
    } catch (error) {
      if (stop.aborted) return undefined;
      if (loggedAt === undefined || clock() - loggedAt >= LOGGED_EVERY_MS) {
        loggedAt = clock();
        if (isForeseen(error)) log.warn("inlet-failed", { ...what, ...described(error), again: "with back-off" });
        else log.error("inlet-crashed", { ...what, ...described(error), again: "with back-off" });
      }
      await sleep(Math.ceil((pauseMs * (1 + random())) / 2), stop);
    }
  }
  return undefined;
}

/** Failures of the lease table, the network or a time limit; all else is a bug. */
function isForeseen(error: unknown): boolean {
  if (error instanceof SyncError || codeOf(error) !== undefined) return true;
  return error instanceof Error && ["PostFailed", "TimeoutError", "AbortError"].includes(error.name);
}
