import { setTimeout as sleepFor } from "node:timers/promises";
import type { EpochMs } from "../../../lib/clock.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { InletDeps } from "../../../lib/inlets/sink.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import type { Inlet, MissedReason } from "../../../lib/ports/inlet.ts";
import type { LogFields } from "../../../lib/ports/telemetry.ts";

export const NO_ANSWER = new SyncError("STORE_UNAVAILABLE", "the lease table does not answer");

/** An inlet that keeps what it was given. */
export interface RecordingInlet extends Inlet {
  readonly lines: string[];
  readonly reasons: MissedReason[];
  /** The syncs of each of them; undefined: all of the Vault. */
  readonly missedOf: (readonly SyncKey[] | undefined)[];
  /** Lines of each call. */
  readonly calls: number[];
  /** Calls that have begun. */
  asked: number;
  /** Calls fail until it is undefined again. */
  failure: Error | undefined;
  /** Calls wait for it. */
  gate: Promise<void> | undefined;
}

export function recordingInlet(vault = "main"): RecordingInlet {
  const inlet: RecordingInlet = {
    vault,
    lines: [],
    reasons: [],
    missedOf: [],
    calls: [],
    asked: 0,
    failure: undefined,
    gate: undefined,
    async take(lines, signal) {
      inlet.asked += 1;
      await inlet.gate;
      if (inlet.failure !== undefined) throw inlet.failure;
      signal.throwIfAborted();
      inlet.lines.push(...lines);
      inlet.calls.push(lines.length);
      return { lines: lines.length, bad: 0, nudged: 0 };
    },
    async missed(reason, _signal, of) {
      if (inlet.failure !== undefined) throw inlet.failure;
      inlet.reasons.push(reason);
      inlet.missedOf.push(of);
    },
  };
  return inlet;
}

export interface RecordedDeps extends InletDeps {
  readonly events: { readonly event: string; readonly fields: LogFields; readonly at: EpochMs }[];
  readonly counts: Map<string, number>;
  now: number;
}

/** Pauses are short, whatever their length, and the clock moves by what they would have taken. */
export function recordedDeps(): RecordedDeps {
  const events: RecordedDeps["events"] = [];
  const counts = new Map<string, number>();
  const log = (event: string, fields: LogFields = {}): void => void events.push({ event, fields, at: deps.clock() });
  const deps: RecordedDeps = {
    now: 1_800_000_000_000,
    // Whole milliseconds, as the system's clock has them: a store refuses others.
    clock: () => Math.trunc(deps.now),
    random: () => 0.5,
    async sleep(ms, signal) {
      const startedAt = performance.now();
      await sleepFor(Math.min(ms, 5), undefined, { signal }).catch(() => undefined);
      // Never by more than the pause: what else holds this process up is no time of its own.
      deps.now += Math.min(ms, signal.aborted ? performance.now() - startedAt : 1_000);
    },
    log: { debug: log, info: log, warn: log, error: log },
    metrics: {
      count(name, labels, by = 1) {
        const key = `${name} ${Object.values(labels).join(" ")}`;
        counts.set(key, (counts.get(key) ?? 0) + by);
      },
    },
    events,
    counts,
  };
  return deps;
}

/** Waits until it holds; fails after half a minute. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleepFor(2);
  }
}
