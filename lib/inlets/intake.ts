import { type EpochMs, MINUTE_MS } from "../clock.ts";
import type { MissedReason } from "../ports/inlet.ts";
import type { Lines } from "./lines.ts";
import { type InletDeps, type Sink, untilDone } from "./sink.ts";
import { pauseOf } from "./waits.ts";

/**
 * Lines in memory, for senders that must not wait. When it is full, lines are dropped, and the Vault's syncs are swept
 * once there is room again.
 */
export interface Intake {
  /** Never waits. */
  put(lines: Lines): void;
  /** Lines may be missing: told before the next lines, at most once a minute for each reason. */
  missed(reason: MissedReason): void;
  /** Passes lines on until the signal. */
  run(stop: AbortSignal): Promise<void>;
  /** Nothing waits, and nothing is under way. */
  isIdle(): boolean;
  /** Lines that wait, and those dropped since the start. */
  counts(): { readonly waiting: number; readonly dropped: number };
}

export interface IntakeLimits {
  /** In units of strings, which is about bytes. */
  readonly characters: number;
  /** For one call of the sink. */
  readonly batchLines: number;
  readonly batchCharacters: number;
}

const MIB = 1_024 * 1_024;
export const INTAKE_LIMITS: IntakeLimits = {
  characters: 32 * MIB,
  batchLines: 10_000,
  batchCharacters: 4 * MIB,
};
/** For frames of Vault's own events: tenants choose Vaults, so that several may send much. */
export const FRAMES_LIMITS: IntakeLimits = { characters: 4 * MIB, batchLines: 10_000, batchCharacters: MIB };
/** A line also costs an object. */
const LINE_OVERHEAD = 64;
/** A connection that flaps must not cause a sweep each time. */
const MISSED_EVERY_MS = MINUTE_MS;
const IDLE_MS = MINUTE_MS;

export function intake(deps: InletDeps, sink: Sink, limits: IntakeLimits = INTAKE_LIMITS): Intake {
  const queue = lineQueue(limits);
  const notes = missedNotes(deps, sink);
  let dropped = 0;
  let isPassing = false;
  const pause = pauseOf(deps.sleep);
  const labels = { vault: sink.vault, inlet: sink.way };
  const drop = (count: number): void => {
    dropped += count;
    deps.metrics.count("keyferry_inlet_dropped_lines_total", labels, count);
    if (notes.add("overflow")) deps.log.error("audit-lines-dropped", { ...labels, because: "its memory is full" });
  };
  const pass = async (stop: AbortSignal): Promise<void> => {
    await notes.tell(stop);
    const batch = queue.next();
    if (batch.lines.length + batch.tooLong > 0) {
      await untilDone(deps, labels, (signal) => sink.take(batch, signal), stop);
    }
  };
  return {
    put(lines) {
      const left = queue.add(lines);
      if (left > 0) drop(left);
      pause.wake();
    },
    missed(reason) {
      notes.add(reason);
      pause.wake();
    },
    async run(stop) {
      while (!stop.aborted) {
        isPassing = true;
        await pass(stop);
        isPassing = false;
        if (queue.isEmpty()) await pause.wait(Math.min(IDLE_MS, notes.dueInMs()), stop);
      }
    },
    isIdle: () => queue.isEmpty() && notes.isEmpty() && !isPassing,
    counts: () => ({ waiting: queue.length(), dropped }),
  };
}

/** A bounded queue of lines in the order in which they came. */
function lineQueue({ characters, batchLines, batchCharacters }: IntakeLimits) {
  let lines: string[] = [];
  let first = 0;
  let size = 0;
  let tooLong = 0;
  return {
    length: () => lines.length - first,
    isEmpty: () => lines.length === first && tooLong === 0,
    /** How many lines found no room. */
    add(more: Lines): number {
      tooLong += more.tooLong;
      let left = 0;
      for (const line of more.lines) {
        const cost = line.length + LINE_OVERHEAD;
        if (size + cost > characters) left += 1;
        else {
          lines.push(line);
          size += cost;
        }
      }
      return left;
    },
    next(): Lines {
      let last = first;
      let taken = 0;
      while (last < lines.length && last - first < batchLines && taken < batchCharacters) {
        taken += (lines[last] ?? "").length;
        last += 1;
      }
      const batch = { lines: lines.slice(first, last), tooLong };
      size -= taken + (last - first) * LINE_OVERHEAD;
      tooLong = 0;
      first = last;
      // Freed in whole, or by halves: shifting each line would copy all of them.
      if (first === lines.length || first > lines.length / 2) {
        lines = lines.slice(first);
        first = 0;
      }
      return batch;
    },
  };
}

/** Reasons that are to be told, each at most once a minute; none is forgotten. */
function missedNotes(deps: InletDeps, sink: Sink) {
  const toTell = new Set<MissedReason>();
  const toldAt = new Map<MissedReason, EpochMs>();
  const dueAt = (reason: MissedReason): EpochMs => {
    const at = toldAt.get(reason);
    // A later time than now was before the clock stepped back.
    return at === undefined || at > deps.clock() ? 0 : at + MISSED_EVERY_MS;
  };
  return {
    /** False: it is to be told already. */
    add(reason: MissedReason): boolean {
      if (toTell.has(reason)) return false;
      toTell.add(reason);
      return true;
    },
    isEmpty: () => toTell.size === 0,
    async tell(stop: AbortSignal): Promise<void> {
      for (const reason of [...toTell].filter((one) => dueAt(one) <= deps.clock())) {
        toTell.delete(reason);
        toldAt.set(reason, deps.clock());
        const what = { vault: sink.vault, inlet: sink.way, missed: reason };
        await untilDone(deps, what, (signal) => sink.missed(reason, signal), stop);
      }
    },
    /** Until the first of them is due; endless if there is none. */
    dueInMs: () => Math.max(0, Math.min(...[...toTell].map(dueAt)) - deps.clock()),
  };
}
