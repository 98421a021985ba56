import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { backOff } from "../../../lib/schedule/back-off.ts";

const attempts = fc.integer({ min: 1, max: 10_000 });
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const most = () => 1 - Number.EPSILON;

function delay(disposition: "retry" | "recheck", attempt: number, draw: () => number, retryAfterMs?: number): number {
  const failure = { disposition, attempts: attempt, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return backOff(failure, draw) ?? assert.fail();
}

describe("back-off", () => {
  it("retries within 1 s, doubling to 5 min, anywhere below that", () => {
    const longest = [1, 2, 3, 9, 10, 10_000].map((attempt) => delay("retry", attempt, most));
    assert.deepEqual(
      longest,
      [1, 2, 4, 256, 300, 300].map((seconds) => seconds * SECOND_MS),
    );
    fc.assert(
      fc.property(attempts, random, (attempt, draw) => {
        const ms = delay("retry", attempt, () => draw);
        assert.ok(Number.isInteger(ms) && ms >= 0 && ms <= 5 * MINUTE_MS);
        assert.equal(ms, Math.ceil(draw * delay("retry", attempt, most)));
      }),
    );
  });

  it("rechecks within 30 s, doubling to 1 h, the upper half of that", () => {
    const longest = [1, 2, 3, 7, 8, 10_000].map((attempt) => delay("recheck", attempt, most));
    assert.deepEqual(
      longest,
      [30, 60, 120, 1_920, 3_600, 3_600].map((seconds) => seconds * SECOND_MS),
    );
    fc.assert(
      fc.property(attempts, random, (attempt, draw) => {
        const ms = delay("recheck", attempt, () => draw);
        const top = delay("recheck", attempt, most);
        assert.ok(Number.isInteger(ms) && ms >= top / 2 && ms <= top && top <= HOUR_MS);
      }),
    );
  });

  it("waits as long as the server asks for, and not much longer; an hour is the most", () => {
    fc.assert(
      fc.property(attempts, random, fc.nat(3 * HOUR_MS), (attempt, draw, retryAfterMs) => {
        const asked = Math.min(retryAfterMs, HOUR_MS);
        const ms = delay("retry", attempt, () => draw, retryAfterMs);
        assert.ok(ms >= asked && ms <= asked * 1.25 + 1);
        assert.ok(delay("recheck", attempt, () => draw, retryAfterMs) >= asked);
      }),
    );
  });

  it("has no time for what time does not mend", () => {
    for (const disposition of ["park", "drop"] as const)
      assert.equal(backOff({ disposition, attempts: 1 }, most), undefined);
  });
});
