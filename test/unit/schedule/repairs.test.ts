import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { repaired, repairGapMs } from "../../../lib/schedule/repairs.ts";

const START = 1_000_000;

describe("repairs of a Secret", () => {
  it("are counted from the first one on, for ten minutes", () => {
    const first = repaired(undefined, START);
    assert.deepEqual(first, { since: START, count: 1 });
    assert.deepEqual(repaired(first, START + 599_999), { since: START, count: 2 });
    assert.deepEqual(repaired({ since: START, count: 30 }, START + 600_000), { since: START + 600_000, count: 1 });
  });

  it("are a minute apart from the tenth one on, until the ten minutes are over", () => {
    assert.equal(repairGapMs(undefined, START), undefined);
    assert.equal(repairGapMs({ since: START, count: 9 }, START), undefined);
    for (const count of [10, 11]) {
      assert.equal(repairGapMs({ since: START, count }, START + 599_999), 60_000);
      assert.equal(repairGapMs({ since: START, count }, START + 600_000), undefined);
    }
  });

  it("are counted anew after the clock was set back to before the first one", () => {
    const later = { since: START + 1, count: 10 };
    assert.deepEqual(repaired(later, START), { since: START, count: 1 });
    assert.equal(repairGapMs(later, START), undefined);
  });
});
