import { type EpochMs, MINUTE_MS } from "../clock.ts";
import type { WheelLane } from "../ports/rows.ts";
import type { Due, LeaseStore, WheelEntry } from "../ports/store.ts";
import { nextSlot, slices } from "./wheel.ts";

/** How soon missed refresh slots are dispatched, in ms; also SQS's maximum delay. */
const CATCH_UP_MS = 15 * MINUTE_MS;

/** A part of the time for which a tick dispatches: (afterMs, untilMs]. */
export interface Window {
  readonly afterMs: EpochMs;
  readonly untilMs: EpochMs;
}

/** One of the two wheels: refreshes or renewals. */
export interface Wheel {
  readonly lane: WheelLane;
  readonly leases: Pick<LeaseStore, "onWheel">;
}

/** Every future refresh slot in this window; a period shorter than the window has several. */
export async function slotsAhead(wheel: Wheel, periods: readonly number[], window: Window): Promise<readonly Due[]> {
  const entries = await entriesIn(wheel, periods, window);
  return entries.flatMap(({ period, entry }) => {
    const slots: Due[] = [];
    for (
      let at = nextSlot({ period, phase: entry.phase }, window.afterMs);
      at <= window.untilMs;
      at += period * 1_000
    ) {
      slots.push(dueAt(entry, at));
    }
    return slots;
  });
}

/**
 * The slots of `window` that ticks failed to dispatch in `gap`, which ends now: at most one per sync, however long the
 * gap. Refreshes are spread over min(period, 15 min), those of one second together; renewals come at once, because they
 * can't wait (lease-table 13).
 */
export async function slotsMissed(
  wheel: Wheel,
  periods: readonly number[],
  window: Window,
  gap: Window,
): Promise<readonly Due[]> {
  const found = periods.map(async (period) => {
    const from = wheel.lane === "renew" ? lastSlotFrom(period, gap) : missedFrom(period, gap);
    const entries = await entriesIn(wheel, [period], { ...window, afterMs: Math.max(window.afterMs, from) });
    return entries.map(({ entry }) =>
      dueAt(
        entry,
        wheel.lane === "renew"
          ? gap.untilMs
          : spread(nextSlot({ period, phase: entry.phase }, from), period, from, gap),
      ),
    );
  });
  return (await Promise.all(found)).flat();
}

/**
 * The first time from which missed slots are dispatched. In a gap longer than the period that is the last slot of each
 * sync, unless its next regular slot comes earlier.
 */
function missedFrom(period: number, gap: Window): EpochMs {
  const periodMs = period * 1_000;
  if (gap.untilMs - gap.afterMs < periodMs) return gap.afterMs;
  return gap.untilMs - periodMs + Math.min(periodMs, CATCH_UP_MS);
}

/** In a gap longer than the period, each sync's last slot is dispatched, whatever comes next. */
function lastSlotFrom(period: number, gap: Window): EpochMs {
  return Math.max(gap.afterMs, gap.untilMs - period * 1_000);
}

function spread(slotAt: EpochMs, period: number, from: EpochMs, gap: Window): EpochMs {
  const missedMs = gap.untilMs - from;
  const share = (slotAt - from) / missedMs;
  return gap.untilMs + Math.floor(share * Math.min(missedMs, period * 1_000, CATCH_UP_MS));
}

interface Found {
  readonly period: number;
  readonly entry: WheelEntry;
}

async function entriesIn(wheel: Wheel, periods: readonly number[], window: Window): Promise<readonly Found[]> {
  const found = slices(periods, window.afterMs, window.untilMs).map(async ({ period, fromPhase, toPhase }) => {
    const entries = await wheel.leases.onWheel(wheel.lane, period, fromPhase, toPhase);
    return entries.map((entry) => ({ period, entry }));
  });
  return (await Promise.all(found)).flat();
}

function dueAt(entry: WheelEntry, at: EpochMs): Due {
  return { key: entry.key, group: entry.group, lane: entry.lane, at };
}
