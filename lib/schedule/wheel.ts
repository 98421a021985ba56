import type { EpochMs } from "../clock.ts";
import { SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import type { RefreshSlot } from "../ports/rows.ts";

const SHORTEST_S = 4;
const LONGEST_S = 366 * 24 * 3_600;
const RATIO = 1.125;

/** A range of phases of one period, both ends included. */
export interface Slice {
  readonly period: number;
  readonly fromPhase: number;
  readonly toPhase: number;
}

/**
 * All periods, in seconds. From 8 s on each is at most 1.125 (0.9 / 0.8) times the previous one, so that for any d one
 * lies within 0.8 d to 0.9 d. Below, whole seconds can't be closer (lease-table 12).
 */
export const LADDER: readonly number[] = ladder();

function ladder(): readonly number[] {
  const steps = [SHORTEST_S];
  for (let step = SHORTEST_S; step <= LONGEST_S; steps.push(step)) {
    step = Math.max(step + 1, Math.floor(step * RATIO));
  }
  return steps;
}

/**
 * The period in seconds for a `refreshAfter` in ms: the largest step up to 0.9 d. It is at least 0.8 d for whole
 * seconds from 5 s on and for any value from 9 s on; otherwise the next lower step. Below 5 s it is the minimum, 4 s;
 * above the ladder (425 days) the last step.
 */
export function periodFor(refreshAfterMs: number): number {
  // In integers, because 0.9 * d would round some whole seconds down.
  return LADDER.findLast((step) => step * 10 * SECOND_MS <= refreshAfterMs * 9) ?? SHORTEST_S;
}

/** The largest step up to that time, for slots that must come before a deadline: from 5 s on at least 0.8 of it. */
export function stepWithin(ms: number): number {
  return LADDER.findLast((step) => step * SECOND_MS <= ms) ?? SHORTEST_S;
}

/**
 * The second within the period at which this group is due: equal for syncs that share a Vault read (lease-table 11).
 */
export function phaseOf(group: string, period: number): number {
  return Number.parseInt(fingerprint(group).slice(0, 12), 16) % period;
}

/** The next occurrence of this refresh slot, strictly after `nowMs`. */
export function nextSlot(slot: RefreshSlot, nowMs: EpochMs): EpochMs {
  const second = Math.floor(nowMs / SECOND_MS);
  return (second - remainder(second - slot.phase, slot.period) + slot.period) * SECOND_MS;
}

/** Every occurrence in (afterMs, untilMs]. */
export function slotsUntil(slot: RefreshSlot, afterMs: EpochMs, untilMs: EpochMs): readonly EpochMs[] {
  const times: EpochMs[] = [];
  for (let at = nextSlot(slot, afterMs); at <= untilMs; at += slot.period * SECOND_MS) times.push(at);
  return times;
}

/** The phases of each period with a refresh slot in (afterMs, untilMs]: each at most once, however long the window. */
export function slices(periods: readonly number[], afterMs: EpochMs, untilMs: EpochMs): readonly Slice[] {
  const first = Math.floor(afterMs / SECOND_MS) + 1;
  const last = Math.floor(untilMs / SECOND_MS);
  return last < first ? [] : periods.flatMap((period) => slicesOf(period, first, last));
}

function slicesOf(period: number, first: number, last: number): readonly Slice[] {
  if (last - first + 1 >= period) return [{ period, fromPhase: 0, toPhase: period - 1 }];
  const fromPhase = remainder(first, period);
  const toPhase = remainder(last, period);
  if (fromPhase <= toPhase) return [{ period, fromPhase, toPhase }];
  return [
    { period, fromPhase, toPhase: period - 1 },
    { period, fromPhase: 0, toPhase },
  ];
}

/** Never negative, unlike `%`. */
function remainder(value: number, divisor: number): number {
  return ((value % divisor) + divisor) % divisor;
}
