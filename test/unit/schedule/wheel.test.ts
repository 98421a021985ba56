import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HOUR_MS, SECOND_MS } from "../../../lib/clock.ts";
import { LADDER, nextSlot, periodFor, phaseOf, slices, stepWithin } from "../../../lib/schedule/wheel.ts";

const YEAR_S = 365 * 24 * 3_600;

const anyPeriod = fc.constantFrom(...LADDER);
const aShortPeriod = fc.constantFrom(...LADDER.filter((period) => period < 7_200));
const anInstant = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2100, 0, 1) });
const aSlot = anyPeriod.chain((period) => fc.record({ period: fc.constant(period), phase: fc.nat(period - 1) }));

describe("the ladder of periods", () => {
  it("lease-table 12: has whole seconds from 4 s to more than a year, each larger than the one before", () => {
    assert.equal(LADDER[0], 4);
    assert.ok((LADDER.at(-1) ?? 0) > YEAR_S);
    assert.ok(LADDER.every((step) => Number.isInteger(step)));
    assert.deepEqual(
      LADDER,
      [...new Set(LADDER)].toSorted((a, b) => a - b),
    );
    assert.ok(LADDER.length < 150, `${LADDER.length} periods are ${LADDER.length} queries`);
  });

  it("lease-table 12: steps by a ratio of at most 1.125, and by one second where that is finer than seconds are", () => {
    for (const [index, step] of LADDER.entries()) {
      const before = LADDER[index - 1];
      if (before !== undefined) assert.ok(step / before <= 1.125 || step === before + 1, `${before} -> ${step}`);
      if (before !== undefined && before >= 8) assert.ok(step / before <= 1.125, `${before} -> ${step}`);
    }
  });

  it("lease-table 12: every whole number of seconds from 5 s to a year gets a period within 0.8 d to 0.9 d", () => {
    const check = (seconds: number) => {
      const period = periodFor(seconds * SECOND_MS);
      assert.ok(period * 10 >= seconds * 8 && period * 10 <= seconds * 9, `${seconds} s -> ${period} s`);
      assert.ok(LADDER.includes(period));
    };
    for (let seconds = 5; seconds <= 100_000; seconds++) check(seconds);
    fc.assert(fc.property(fc.integer({ min: 5, max: YEAR_S }), check));
  });

  it("lease-table 12: so does every fraction from 9 s on; a shorter one gets the next lower step", () => {
    const ms = fc.integer({ min: 9 * SECOND_MS, max: YEAR_S * SECOND_MS });
    fc.assert(
      fc.property(ms, (refreshAfterMs) => {
        const periodMs = periodFor(refreshAfterMs) * SECOND_MS;
        assert.ok(periodMs * 10 >= refreshAfterMs * 8 && periodMs * 10 <= refreshAfterMs * 9);
      }),
    );
    assert.equal(periodFor(5_500), 4);
    assert.equal(periodFor(5_600), 5);
  });

  it("lease-table 12: takes the largest step up to 0.9 d", () => {
    fc.assert(
      fc.property(fc.integer({ min: 5_000, max: YEAR_S * SECOND_MS }), (refreshAfterMs) => {
        const above = LADDER[LADDER.indexOf(periodFor(refreshAfterMs)) + 1] ?? Number.POSITIVE_INFINITY;
        assert.ok(above * SECOND_MS * 10 > refreshAfterMs * 9);
      }),
    );
  });

  it("lease-table 12: has its floor at 4 s and its end at the last step", () => {
    for (const ms of [0, 1, 1_000, 4_000, 4_999]) assert.equal(periodFor(ms), 4);
    assert.equal(periodFor(100 * YEAR_S * SECOND_MS), LADDER.at(-1));
  });
});

describe("phases", () => {
  it("lease-table 11: are the same for one group and period, and lie within the period", () => {
    fc.assert(
      fc.property(fc.string(), anyPeriod, (group, period) => {
        const phase = phaseOf(group, period);
        assert.equal(phase, phaseOf(group, period));
        assert.ok(Number.isInteger(phase) && phase >= 0 && phase < period);
      }),
    );
  });

  it("lease-table 11: are spread evenly over the groups", () => {
    const counts = new Map<number, number>();
    for (let n = 0; n < 57_000; n++) {
      const phase = phaseOf(`group ${n}`, 57);
      counts.set(phase, (counts.get(phase) ?? 0) + 1);
    }
    assert.equal(counts.size, 57);
    for (const [phase, count] of counts)
      assert.ok(Math.abs(count - 1_000) < 5 * Math.sqrt(1_000), `${phase}: ${count}`);
  });
});

describe("the next refresh slot", () => {
  it("is the first instant after now at which now mod period is the phase", () => {
    fc.assert(
      fc.property(aSlot, anInstant, (slot, now) => {
        const at = nextSlot(slot, now);
        assert.ok(at > now && at - now <= slot.period * SECOND_MS);
        assert.equal((at / SECOND_MS) % slot.period, slot.phase);
      }),
    );
  });

  it("is one period on when now is the refresh slot itself", () => {
    fc.assert(
      fc.property(aSlot, anInstant, (slot, now) => {
        const at = nextSlot(slot, now);
        assert.equal(nextSlot(slot, at), at + slot.period * SECOND_MS);
        assert.equal(nextSlot(slot, at - 1), at);
      }),
    );
  });
});

/** Phases of a period that a window dispatches, with how often. */
function phasesIn(period: number, after: number, until: number): Map<number, number> {
  const phases = new Map<number, number>();
  for (const { fromPhase, toPhase } of slices([period], after, until)) {
    for (let phase = fromPhase; phase <= toPhase; phase++) phases.set(phase, (phases.get(phase) ?? 0) + 1);
  }
  return phases;
}

function slotsIn(period: number, phase: number, after: number, until: number): number {
  const first = nextSlot({ period, phase }, after);
  return first > until ? 0 : Math.floor((until - first) / (period * SECOND_MS)) + 1;
}

describe("slices", () => {
  const aWindow = fc.tuple(anInstant, fc.integer({ min: -HOUR_MS, max: 3 * HOUR_MS }));

  it("lease-table 13: hold exactly the phases whose refresh slot lies in (after, until], each once", () => {
    fc.assert(
      fc.property(aShortPeriod, aWindow, (period, [after, length]) => {
        const phases = phasesIn(period, after, after + length);
        for (let phase = 0; phase < period; phase++) {
          const isIn = nextSlot({ period, phase }, after) <= after + length;
          assert.equal(phases.get(phase) ?? 0, isIn ? 1 : 0, `phase ${phase}`);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("lease-table 12: need one or two ranges for each period, also where it wraps", () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyPeriod, { maxLength: 10 }), aWindow, (periods, [after, length]) => {
        const found = slices(periods, after, after + length);
        for (const period of periods) assert.ok(found.filter((slice) => slice.period === period).length <= 2);
        for (const { period, fromPhase, toPhase } of found)
          assert.ok(0 <= fromPhase && fromPhase <= toPhase && toPhase < period);
      }),
    );
  });

  it("lease-table 13: windows that follow each other dispatch every sync exactly once a period", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 40 * SECOND_MS }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(aShortPeriod, anInstant, steps, (period, start, lengths) => {
        const slots = new Map<number, number>();
        let after = start;
        for (const length of lengths) {
          // At most a period at once: what is longer is one refresh slot.
          const until = after + Math.min(length, period * SECOND_MS);
          for (const [phase, count] of phasesIn(period, after, until))
            slots.set(phase, (slots.get(phase) ?? 0) + count);
          after = until;
        }
        for (let phase = 0; phase < period; phase++) {
          assert.equal(slots.get(phase) ?? 0, slotsIn(period, phase, start, after), `phase ${phase}`);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("the largest step up to a time", () => {
  it("is at most a fifth below it, from 5 s on, and never above it", () => {
    for (let highMs = 5_000; highMs < 4_000_000; highMs += 777) {
      const step = stepWithin(highMs);
      assert.ok(step * 1_000 <= highMs && step * 1_000 >= highMs * 0.8, `${highMs} ms: ${step}`);
    }
    assert.equal(stepWithin(4_999), 4);
    assert.equal(stepWithin(5_000), 5);
    assert.equal(stepWithin(3_999), 4, "there is no shorter one");
  });
});
