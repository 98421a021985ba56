import { type EpochMs, MINUTE_MS } from "../clock.ts";
import type { Repairs } from "../ports/rows.ts";

/** So many repairs of a Secret in ten minutes are a fight with another program. */
export const FIGHT = 10;
const WINDOW_MS = 10 * MINUTE_MS;

/** From one repair to the next in a fight: each costs a read of Vault, and writes to the cluster and to the row. */
const GAP_MS = MINUTE_MS;

/** With one more repair. */
export function repaired(before: Repairs | undefined, now: EpochMs): Repairs {
  return before !== undefined && isOn(before, now) ? { ...before, count: before.count + 1 } : { since: now, count: 1 };
}

/** How long after its last settle a row may repair its Secret again, in ms; undefined: as after any nudge. */
export function repairGapMs(repairs: Repairs | undefined, now: EpochMs): number | undefined {
  return repairs !== undefined && repairs.count >= FIGHT && isOn(repairs, now) ? GAP_MS : undefined;
}

/** Not one that began in the future, before the clock was set back: it would last longer by as much. */
function isOn({ since }: Repairs, now: EpochMs): boolean {
  return since <= now && now - since < WINDOW_MS;
}
