import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EXPECTED_MS, type NudgeOptions } from "../../../lib/ports/store.ts";
import { isExpectationOver, type Nudgeable, nudgeOf } from "../../../lib/store/nudging.ts";
import { aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const KEY = aKey();

/** A row that is on the wheel, an hour from now. */
function aRow(overrides: Partial<Nudgeable> = {}): Nudgeable {
  return {
    ...{ key: KEY, group: "g", verify: false, nudges: 3, leaseUntil: undefined, dueAt: NOW + 3_600_000 },
    ...{ lane: "refresh", settledAt: NOW - 60_000, nudgesSeen: undefined, expect: undefined },
    hasIssues: false,
    ...overrides,
  };
}
const nudged = (row: Partial<Nudgeable> = {}, options: Partial<NudgeOptions> = {}) =>
  nudgeOf(aRow(row), { now: NOW, verify: false, ...options });
const dueAt = (at: number) => ({ key: KEY, group: "g", lane: "now", at });

describe("lease-table 9: a nudge", () => {
  it("has the row worked on at once, two seconds after its last end, or when it was due anyway", () => {
    const at = (time: number) => ({ writes: true, verify: false, expect: undefined, due: dueAt(time), dueAt: time });
    assert.deepEqual(nudged(), at(NOW));
    assert.deepEqual(nudged({ settledAt: undefined }), at(NOW));
    assert.deepEqual(nudged({ dueAt: undefined }), at(NOW));
    assert.deepEqual(nudged({ lane: "now" }), at(NOW));
    assert.deepEqual(nudged({ settledAt: NOW - 500 }), at(NOW + 1_500));
    assert.deepEqual(nudged({ settledAt: NOW - 500 }, { atOnce: true }), at(NOW));
    assert.deepEqual(nudged({ settledAt: NOW - 500, dueAt: NOW + 1_000 }), at(NOW + 1_000));
    assert.deepEqual(nudged({ settledAt: NOW }), at(NOW + 2_000));
  });

  it("waits no longer than its gap after a last end in the future, by another clock or one that was set back", () => {
    const at = (time: number) => ({ writes: true, verify: false, expect: undefined, due: dueAt(time), dueAt: time });
    assert.deepEqual(nudged({ settledAt: NOW + 1 }), at(NOW + 2_000));
    assert.deepEqual(nudged({ settledAt: NOW + 1_000 }, { gapMs: 60_000 }), at(NOW + 60_000));
    assert.deepEqual(nudged({ settledAt: NOW + 3_600_000, dueAt: undefined }), at(NOW + 2_000));
    assert.deepEqual(nudged({ settledAt: NOW + 3_600_000 }, { atOnce: true }), at(NOW));
  });

  it("of a row with issues is kept where it is due, unless its run knows already that it was nudged", () => {
    const due = { dueAt: NOW, hasIssues: true } as const;
    const kept = { writes: true, verify: false, expect: undefined, due: undefined };
    assert.deepEqual(nudged({ ...due, nudgesSeen: 3 }), kept);
    const nothing = { writes: false, due: undefined };
    assert.deepEqual(nudged({ ...due, nudgesSeen: 2 }), nothing);
    assert.deepEqual(nudged({ ...due, nudgesSeen: undefined }), nothing, "by an earlier version");
    assert.deepEqual(nudged({ ...due, nudgesSeen: 3, leaseUntil: NOW }), nothing, "after a crash");
    assert.deepEqual(nudged({ dueAt: NOW, nudgesSeen: 3 }), nothing);
  });

  it("writes nothing where the row is worked on anyway, and sends it again only where it has waited", () => {
    const nothing = { writes: false, due: undefined };
    assert.deepEqual(nudged({ dueAt: NOW }), nothing);
    assert.deepEqual(nudged({ settledAt: NOW - 500, dueAt: NOW + 1_000, lane: "now" }), nothing);
    assert.deepEqual(nudged({ settledAt: NOW - 500, dueAt: NOW + 1_500, lane: "now" }), nothing);
    assert.deepEqual(nudged({ dueAt: NOW - 10_000 }), nothing);
    assert.deepEqual(nudged({ dueAt: NOW - 10_001 }), { writes: false, due: dueAt(NOW) });
    assert.deepEqual(nudged({ dueAt: NOW, verify: true }, { verify: true }), nothing);
  });

  it("notes that the Secret is to be looked at, where that is not noted yet", () => {
    const noted = { writes: true, verify: true, expect: undefined, due: undefined };
    assert.deepEqual(nudged({ dueAt: NOW }, { verify: true }), noted);
    assert.deepEqual(nudged({ dueAt: NOW - 10_001 }, { verify: true }), { ...noted, due: dueAt(NOW) });
    assert.equal(Object(nudged({ verify: true })).verify, true);
  });

  it("expects a version from when it was written on, which is not in the future", () => {
    const expectOf = (at: number) => Object(nudged({}, { expect: { version: 4, at } })).expect;
    assert.deepEqual(
      [expectOf(NOW - 9), expectOf(NOW + 9)],
      [
        { version: 4, at: NOW - 9 },
        { version: 4, at: NOW },
      ],
    );
    assert.equal(isExpectationOver({ version: 0, at: NOW }, NOW, 0), true);
  });

  it("of a row that is claimed sends it at the end of the lease, once, and leaves its time alone", () => {
    const leaseUntil = NOW + 30_000;
    const claimed = { leaseUntil, dueAt: NOW - 60_000, nudgesSeen: 3 };
    const later = { writes: true, verify: false, expect: undefined, due: dueAt(leaseUntil) };
    assert.deepEqual(nudged(claimed), later);
    assert.deepEqual(nudged({ ...claimed, nudgesSeen: undefined }), later);
    assert.deepEqual(nudged({ ...claimed, nudgesSeen: 2 }), { writes: false, due: undefined });
    assert.deepEqual(nudged({ ...claimed, leaseUntil: NOW, dueAt: NOW }), { writes: false, due: undefined });
  });

  it("lease-table 30: raises the version that is expected, until it is forgotten", () => {
    const known = { version: 5, at: NOW - 1_000 };
    const expects = (expect: Nudgeable["expect"], seen: NudgeOptions["expect"]) =>
      Object(nudged({ expect }, seen === undefined ? {} : { expect: seen })).expect;
    assert.deepEqual(expects(known, undefined), known);
    assert.equal(expects(known, "forget"), undefined);
    assert.deepEqual(expects(known, { version: 5 }), known);
    assert.deepEqual(expects(known, { version: 6 }), { version: 6, at: NOW });
    assert.deepEqual(expects(undefined, { version: 1 }), { version: 1, at: NOW });
    assert.deepEqual(expects({ version: 5, at: NOW - EXPECTED_MS }, { version: 4 }), { version: 4, at: NOW });
    assert.deepEqual(nudged({ dueAt: NOW, expect: known }, { expect: "forget" }), {
      ...{ writes: true, verify: false, expect: undefined, due: undefined },
    });
  });
});

it("lease-table 30: an expectation is over once it was met, or 30 s later", () => {
  const expect = { version: 5, at: NOW };
  for (const [reached, after, isOver] of [
    [4, 0, false],
    [5, 0, true],
    [6, 0, true],
    [undefined, 0, false],
    [undefined, EXPECTED_MS - 1, false],
    [undefined, EXPECTED_MS, true],
    [4, EXPECTED_MS, true],
  ] as const) {
    assert.equal(isExpectationOver(expect, NOW + after, reached), isOver, `${reached} after ${after} ms`);
  }
});
