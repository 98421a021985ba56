import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../../../lib/clock.ts";
import { lifetimeOf, offsetOf, renewAt, windowStart } from "../../../../lib/kinds/pki/renewal.ts";

const ISSUED = 1_700_000_000_000;
const lasting = (ms: number, backdatedMs = 30 * SECOND_MS) => ({
  notBefore: ISSUED - backdatedMs,
  issuedAt: ISSUED,
  expiration: ISSUED + ms,
});

describe("the renewal of a certificate", () => {
  it("is the declared offset before its end", () => {
    assert.equal(windowStart(lasting(720 * HOUR_MS), 24 * HOUR_MS), ISSUED + 696 * HOUR_MS);
  });

  it("is a third of its lifetime before its end by default, and for an offset of zero", () => {
    for (const declared of [undefined, 0]) {
      assert.equal(offsetOf(lasting(3 * HOUR_MS), declared), HOUR_MS);
      assert.equal(windowStart(lasting(3 * HOUR_MS), declared), ISSUED + 2 * HOUR_MS);
    }
  });

  it("counts the lifetime from the issue, however far back a role sets its begin", () => {
    assert.equal(lifetimeOf(lasting(3 * HOUR_MS, 100 * HOUR_MS)), 3 * HOUR_MS);
    assert.equal(lifetimeOf({ notBefore: ISSUED, expiration: ISSUED + HOUR_MS }), HOUR_MS);
    assert.equal(lifetimeOf(lasting(-HOUR_MS)), 0);
  });

  it("leaves a minute for the issue, or a third of a short life", () => {
    assert.equal(offsetOf(lasting(720 * HOUR_MS), 1), MINUTE_MS);
    assert.equal(offsetOf(lasting(30 * SECOND_MS), 1), 10 * SECOND_MS);
    assert.equal(offsetOf(lasting(30 * SECOND_MS), 12 * SECOND_MS), 12 * SECOND_MS);
  });

  it("is at most 5 % of the time before the window earlier, and never later", () => {
    const day = lasting(720 * HOUR_MS);
    const latest = windowStart(day, 24 * HOUR_MS);
    assert.equal(renewAt(day, 24 * HOUR_MS, 0), latest);
    assert.equal(renewAt(day, 24 * HOUR_MS, 1), latest - 0.05 * 696 * HOUR_MS);
    for (let random = 0; random < 1; random += 0.01) {
      for (const declared of [undefined, 1, HOUR_MS, 700 * HOUR_MS]) {
        const at = renewAt(day, declared, random);
        assert.ok(at <= windowStart(day, declared) && at > ISSUED && at < day.expiration);
      }
    }
  });

  it("is at once for an offset longer than the lifetime", () => {
    assert.ok(renewAt(lasting(HOUR_MS), 2 * HOUR_MS, 0.5) <= ISSUED);
  });
});
