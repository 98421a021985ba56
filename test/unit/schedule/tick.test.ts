import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import type { RefreshSlot } from "../../../lib/ports/rows.ts";
import { type TickDeps, tick } from "../../../lib/schedule/tick.ts";
import { LADDER, nextSlot } from "../../../lib/schedule/wheel.ts";
import { aKey } from "../../builders.ts";

const START = Date.UTC(2030, 0, 1);
const HORIZON_MS = 2 * MINUTE_MS;
const CATCH_UP_MS = 15 * MINUTE_MS;
const NEVER = new AbortController().signal;

/** One sync on a wheel of its own, ticks that a test places, and when the sync was to start. */
function aWheelOf(slot: RefreshSlot) {
  let now: EpochMs = START;
  let dispatched: EpochMs | undefined;
  let accepts = true;
  const starts: EpochMs[] = [];
  const quiet = () => {};
  const deps: TickDeps = {
    clock: () => now,
    horizonMs: HORIZON_MS,
    backlog: () => ({}),
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    metrics: { ran: quiet, count: quiet, observe: quiet },
    queue: {
      send: async (messages) => {
        if (!accepts) throw new Error("refused");
        starts.push(...messages.map(({ at }) => at));
      },
    },
    leases: {
      due: async () => [],
      periods: async (lane) => (lane === "refresh" ? [slot.period] : []),
      onWheel: async (lane, period, from, to) => {
        const isIn = period === slot.period && from <= slot.phase && slot.phase <= to;
        return isIn ? [{ key: aKey(), group: "g", lane, phase: slot.phase }] : [];
      },
      dispatchedUntil: async (lane) => (lane === "refresh" ? dispatched : undefined),
      moveDispatched: async (lane, from, to) => {
        if (lane === "renew") return true;
        if (dispatched !== from) return false;
        dispatched = to;
        return true;
      },
    },
  };
  return {
    starts,
    pass: (ms: number) => {
      now += ms;
    },
    now: () => now,
    dispatched: () => dispatched ?? START,
    refuse: (refused: boolean) => {
      accepts = !refused;
    },
    tick: () => tick(deps, NEVER),
  };
}

function slotsIn(slot: RefreshSlot, after: EpochMs, until: EpochMs): EpochMs[] {
  const slots: EpochMs[] = [];
  for (let at = nextSlot(slot, after); at <= until; at += slot.period * SECOND_MS) slots.push(at);
  return slots;
}

const aSlot = fc
  .constantFrom(...LADDER.filter((period) => period < 4 * 3_600))
  .chain((period) => fc.record({ period: fc.constant(period), phase: fc.nat(period - 1) }));

/** Between two ticks: early, doubled, late, and a clock that steps back; never so late that a refresh slot was missed. */
const aPause = fc.oneof(
  fc.integer({ min: 0, max: HORIZON_MS }),
  fc.constant(MINUTE_MS),
  fc.constant(0),
  fc.integer({ min: -2 * MINUTE_MS, max: 0 }),
);

describe("ticks at any time", () => {
  it("lease-table 13: dispatch every refresh slot exactly once, early, late, doubled and with a clock that steps back", async () => {
    await fc.assert(
      fc.asyncProperty(aSlot, fc.array(aPause, { minLength: 1, maxLength: 40 }), async (slot, pauses) => {
        const wheel = aWheelOf(slot);
        await wheel.tick();
        for (const pause of pauses) {
          // Back, at most by what keeps dispatchedUntil within 5 min of the clock.
          wheel.pass(Math.max(pause, wheel.dispatched() - 4 * MINUTE_MS - wheel.now()));
          await wheel.tick();
        }
        assert.deepEqual(wheel.starts, slotsIn(slot, START, wheel.dispatched()));
      }),
    );
  });

  it("lease-table 13: a queue that refuses now and then makes no refresh slot late and loses none", async () => {
    const refusals = fc.array(fc.boolean(), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(aSlot, refusals, async (slot, refused) => {
        const wheel = aWheelOf(slot);
        await wheel.tick();
        for (const refuse of [...refused, false]) {
          wheel.refuse(refuse);
          await wheel.tick().catch((error: Error) => assert.equal(error.message, "refused"));
          wheel.pass(3_000);
        }
        assert.deepEqual([...new Set(wheel.starts)], slotsIn(slot, START, wheel.dispatched()));
      }),
    );
  });

  it("lease-table 13: after a gap longer than the period each sync starts once within min(period, 15 min)", async () => {
    const aGap = fc.integer({ min: 1, max: 40 * 3_600 });
    await fc.assert(
      fc.asyncProperty(aSlot, aGap, async (slot, extraSeconds) => {
        const wheel = aWheelOf(slot);
        await wheel.tick();
        wheel.starts.length = 0;
        wheel.pass(HORIZON_MS + (slot.period + extraSeconds) * SECOND_MS);
        const now = wheel.now();
        const soon = now + Math.min(slot.period * SECOND_MS, CATCH_UP_MS);
        for (; wheel.now() < soon; wheel.pass(MINUTE_MS)) await wheel.tick();
        assert.ok(wheel.starts.every((at) => at >= now));
        assert.equal(wheel.starts.filter((at) => at <= soon).length, 1, `${wheel.starts} after ${now}`);
      }),
    );
  });

  it("lease-table 13: after a shorter gap exactly the missed refresh slots are made up for, then come the others as ever", async () => {
    await fc.assert(
      fc.asyncProperty(aSlot, fc.double({ min: 0.01, max: 0.99, noNaN: true }), async (slot, share) => {
        const wheel = aWheelOf(slot);
        await wheel.tick();
        wheel.starts.length = 0;
        const from = wheel.dispatched();
        wheel.pass(HORIZON_MS + Math.floor(share * slot.period) * SECOND_MS);
        const now = wheel.now();
        for (let n = 0; n < 20; n++, wheel.pass(MINUTE_MS)) await wheel.tick();
        const missed = slotsIn(slot, from, now).length;
        const ahead = slotsIn(slot, now, wheel.dispatched());
        assert.ok(missed <= 1);
        assert.equal(wheel.starts.length, missed + ahead.length);
        if (missed === 1) assert.ok((wheel.starts[0] ?? 0) <= now + Math.min(slot.period * SECOND_MS, CATCH_UP_MS));
        assert.deepEqual(wheel.starts.slice(missed).toSorted(), ahead);
      }),
    );
  });
});
