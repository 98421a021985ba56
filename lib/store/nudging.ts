import type { EpochMs } from "../clock.ts";
import type { Expected, Row } from "../ports/rows.ts";
import { type Due, EXPECTED_MS, NUDGE_GAP_MS, type NudgeOptions } from "../ports/store.ts";
import { sentAgain } from "./overdue.ts";

/** The parts of a row that a nudge reads. */
export interface Nudgeable extends Pick<Row, "key" | "verify" | "nudges"> {
  readonly group: string;
  readonly nudgesSeen: number | undefined;
  readonly leaseUntil: EpochMs | undefined;
  readonly dueAt: EpochMs | undefined;
  readonly lane: string | undefined;
  readonly settledAt: EpochMs | undefined;
  readonly hasIssues: boolean;
  readonly expect: Expected | undefined;
}

/** The result: nothing to write, or attributes besides `nudges + 1`. */
export type Nudge =
  | { readonly writes: false; readonly due: Due | undefined }
  | {
      readonly writes: true;
      readonly due: Due | undefined;
      readonly verify: boolean;
      /** Missing: its time stays. */
      readonly dueAt?: EpochMs;
      readonly expect: Expected | undefined;
    };

/** Less than every time and every version: what did not happen yet, or was not read. */
const NONE = Number.NEGATIVE_INFINITY;
/** The time of a parked row. */
const NEVER = Number.POSITIVE_INFINITY;

/** The effect of a nudge on a row, common to both stores. */
export function nudgeOf(row: Nudgeable, options: NudgeOptions): Nudge {
  const { key, group } = row;
  const { now, verify } = options;
  const { comesAnyway, again, at, time } = timesOf(row, options);
  const expect = raised(row.expect, options.expect, now);
  const isNoted = comesAnyway && isKnown(row) && (!verify || row.verify) && expect === row.expect;
  if (isNoted) return { writes: false, due: again };
  const kept = { writes: true, verify: verify || row.verify, expect } as const;
  if (comesAnyway) return { ...kept, due: again };
  return { ...kept, due: { key, group, lane: "now", at }, ...time };
}

/**
 * Whether the run that comes anyway takes the nudge up unwritten. A row with issues may be due for the end of a former
 * credential alone: then its run is a whole one only if it was nudged since its last claim.
 */
function isKnown({ leaseUntil, hasIssues, nudges, nudgesSeen = NONE }: Nudgeable): boolean {
  return !hasIssues || leaseUntil !== undefined || nudges > nudgesSeen;
}

/** When a row runs next. */
interface Times {
  /** A run that starts later than the nudge, and so sees its reason, comes without it. */
  readonly comesAnyway: boolean;
  /** The message for that run, if it may be lost. */
  readonly again?: Due | undefined;
  readonly at: EpochMs;
  /** What is written of it. */
  readonly time?: { readonly dueAt: EpochMs };
}

/** At the end of its lease; else soon, and never later than it was due. */
function timesOf(row: Nudgeable, options: NudgeOptions): Times {
  const { now, atOnce = false, gapMs = NUDGE_GAP_MS, isOfReference = false } = options;
  const { leaseUntil = NONE, dueAt = NEVER, nudgesSeen = row.nudges } = row;
  // Its worker sees the nudge at settle and leaves the row due.
  if (leaseUntil > now) return { comesAnyway: row.nudges > nudgesSeen, at: leaseUntil };
  // One in the future is another worker's, whose clock is ahead, or from before the clock was set back by any time.
  const settledAt = Math.min(row.settledAt ?? NONE, now);
  const soonest = atOnce ? now : Math.max(now, settledAt + gapMs);
  const at = Math.min(soonest, dueAt);
  // A due refresh may already be running.
  const comesAnyway = !isOfReference && (dueAt <= now || (dueAt <= soonest && row.lane === "now"));
  return { comesAnyway, again: sentAgain({ key: row.key, group: row.group }, dueAt, now), at, time: { dueAt: at } };
}

/** The highest seen version; one older than 30 s delays nothing (lease-table 30). */
function raised(known: Expected | undefined, seen: NudgeOptions["expect"], now: EpochMs): Expected | undefined {
  if (seen === undefined) return known;
  if (seen === "forget") return undefined;
  const holds = known !== undefined && now - known.at < EXPECTED_MS;
  return holds && known.version >= seen.version ? known : { version: seen.version, at: Math.min(now, seen.at ?? now) };
}

/** Whether a settle that read this version fulfils the expectation. */
export function isExpectationOver(expect: Expected, now: EpochMs, reached = NONE): boolean {
  return reached >= expect.version || now - expect.at >= EXPECTED_MS;
}
