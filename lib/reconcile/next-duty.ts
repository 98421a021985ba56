import { type EpochMs, SECOND_MS } from "../clock.ts";
import { nextEnd } from "../issues/issue-times.ts";
import type { RowState } from "../ports/rows.ts";

type Duties = Pick<RowState, "issues" | "pushed">;

/**
 * When the row must look at what it has in Vault, besides its own runs: at ending issues, and at emptied paths that a
 * late write may fill again. Undefined: it has neither.
 */
export function nextDuty({ issues = [], pushed = [] }: Duties, now: EpochMs): EpochMs | undefined {
  const landings = pushed.flatMap(({ landsBy }) => (landsBy === undefined ? [] : [Math.max(landsBy, now + SECOND_MS)]));
  const times = [nextEnd({ issues }) ?? [], landings].flat();
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Only those emptied paths whose time is after this one: the others had their turn, or wait for what failed. */
export function landingAfter(state: Duties, time: EpochMs): Duties {
  return { ...state, pushed: (state.pushed ?? []).filter(({ landsBy = 0 }) => landsBy > time) };
}
