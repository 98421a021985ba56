import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { backOff, longestPause } from "../../../lib/schedule/back-off.ts";

const attempts = fc.integer({ min: 1, max: 10_000 });
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const most = () => 1 - Number.EPSILON;

function delay(disposition: "retry" | "recheck", attempt: number, draw: () => number, retryAfterMs?: number): number {
  const failure = { disposition, attempts: attempt, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return backOff(failure, draw) ?? assert.fail();
}

describe("back-off", () => {
  it("retries within 1 s, doubling to 4 min, anywhere below that", () => {
    const longest = [1, 2, 3, 9, 10, 10_000].map((attempt) => delay("retry", attempt, most));
    assert.deepEqual(
      longest,
      [1, 2, 4, 240, 240, 240].map((seconds) => seconds * SECOND_MS),
    );
    fc.assert(
      fc.property(attempts, random, (attempt, draw) => {
        const ms = delay("retry", attempt, () => draw);
        assert.ok(Number.isInteger(ms) && ms >= 0 && ms <= 4 * MINUTE_MS);
        assert.equal(ms, Math.ceil(draw * delay("retry", attempt, most)));
      }),
    );
  });

  it("rechecks within 30 s, doubling to 4 min, the upper half of that", () => {
    const longest = [1, 2, 3, 7, 8, 10_000].map((attempt) => delay("recheck", attempt, most));
    assert.deepEqual(
      longest,
      [30, 60, 120, 240, 240, 240].map((seconds) => seconds * SECOND_MS),
    );
    fc.assert(
      fc.property(attempts, random, (attempt, draw) => {
        const ms = delay("recheck", attempt, () => draw);
        const top = delay("recheck", attempt, most);
        assert.ok(Number.isInteger(ms) && ms >= top / 2 && ms <= top && top <= 4 * MINUTE_MS);
      }),
    );
  });

  it("waits as long as the server asks for, an hour at most, and then as without it", () => {
    fc.assert(
      fc.property(attempts, random, fc.nat(3 * HOUR_MS), (attempt, draw, retryAfterMs) => {
        const asked = Math.min(retryAfterMs, HOUR_MS);
        const ms = delay("retry", attempt, () => draw, retryAfterMs);
        assert.equal(ms, asked + delay("retry", attempt, () => draw));
        assert.ok(delay("recheck", attempt, () => draw, retryAfterMs) >= asked);
      }),
    );
  });

  it("waits for less than a minute where what is declared is to be refreshed within one, and for less than five elsewhere", () => {
    for (const [refreshAfterMs, bound] of [
      [4 * SECOND_MS, MINUTE_MS],
      [MINUTE_MS, MINUTE_MS],
      [MINUTE_MS + 1, 5 * MINUTE_MS],
      [undefined, 5 * MINUTE_MS],
    ] as const) {
      const longestMs = longestPause(refreshAfterMs);
      assert.ok(longestMs <= bound * 0.8);
      for (const disposition of ["retry", "recheck"] as const) {
        assert.equal(backOff({ disposition, attempts: 10_000, longestMs }, most), longestMs);
      }
    }
  });

  it("has no time for what time does not mend", () => {
    for (const disposition of ["park", "drop"] as const)
      assert.equal(backOff({ disposition, attempts: 1 }, most), undefined);
  });
});
