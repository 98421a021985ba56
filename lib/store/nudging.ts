import type { EpochMs } from "../clock.ts";
import type { Expected, Row } from "../ports/rows.ts";
import { type Due, EXPECTED_MS, type NudgeOptions } from "../ports/store.ts";
import { sentAgain } from "./overdue.ts";

/** Nudges start a row at most once in this time, in ms (lease-table 9). */
const NUDGE_GAP_MS = 2_000;

/** The parts of a row that a nudge reads. */
export interface Nudgeable extends Pick<Row, "key" | "verify" | "nudges"> {
  readonly group: string;
  readonly leaseUntil: EpochMs | undefined;
  readonly dueAt: EpochMs | undefined;
  readonly lane: string;
  readonly settledAt: EpochMs | undefined;
  /** The nudges that the last claim saw. */
  readonly nudgesSeen: number | undefined;
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

/** The effect of a nudge on a row, common to both stores. */
export function nudgeOf(row: Nudgeable, options: NudgeOptions): Nudge {
  const { now, verify } = options;
  const times = timesOf(row, options);
  const again = times.isAwake ? sentAgain({ key: row.key, group: row.group }, row.dueAt ?? null, now) : undefined;
  const expect = raised(row.expect, options.expect, now);
  if (times.comesAnyway && (!verify || row.verify) && expect === row.expect) return { writes: false, due: again };
  const kept = { writes: true, verify: verify || row.verify, expect } as const;
  if (times.comesAnyway) return { ...kept, due: again };
  const { at, isClaimed } = times;
  return { ...kept, due: { key: row.key, group: row.group, lane: "now", at }, ...(isClaimed ? {} : { dueAt: at }) };
}

/** When the row runs next: at the end of its lease; else soon, and never later than it was due. */
function timesOf(row: Nudgeable, { now, atOnce = false }: NudgeOptions) {
  const { leaseUntil = 0, dueAt = Number.POSITIVE_INFINITY, settledAt = 0 } = row;
  const isClaimed = leaseUntil > now;
  // Its worker sees the nudge at settle and leaves the row due.
  if (isClaimed)
    return { isClaimed, isAwake: false, at: leaseUntil, comesAnyway: row.nudges > (row.nudgesSeen ?? row.nudges) };
  const soonest = atOnce ? now : Math.max(now, settledAt + NUDGE_GAP_MS);
  const isAwake = dueAt <= now;
  // A run that starts later sees whatever caused the nudge. A due refresh may already be running.
  const comesAnyway = isAwake || (dueAt <= soonest && row.lane === "now");
  return { isClaimed, isAwake, at: Math.min(soonest, dueAt), comesAnyway };
}

/** The highest seen version; one older than 30 s delays nothing (lease-table 30). */
function raised(known: Expected | undefined, seen: NudgeOptions["expect"], now: EpochMs): Expected | undefined {
  if (seen === undefined) return known;
  if (seen === "forget") return undefined;
  const holds = known !== undefined && now - known.at < EXPECTED_MS;
  return holds && known.version >= seen.version ? known : { version: seen.version, at: now };
}

/** Whether a settle that read this version fulfils the expectation. */
export function isExpectationOver(expect: Expected, reached: number | undefined, now: EpochMs): boolean {
  return (reached !== undefined && reached >= expect.version) || now - expect.at >= EXPECTED_MS;
}
