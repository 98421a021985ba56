import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_DURATION_MS, parseDuration } from "../../lib/duration.ts";

describe("parseDuration", () => {
  it("reads one number and one unit", () => {
    const expected = { "0s": 0, "30s": 30_000, "5m": 300_000, "1h": 3_600_000, "1.5h": 5_400_000, "0.1h": 360_000 };
    for (const [text, ms] of Object.entries(expected)) assert.equal(parseDuration(text), ms, text);
    assert.equal(parseDuration("0.1s"), 100);
    assert.equal(parseDuration("1.1s"), 1_100);
  });

  it("rounds up to a whole millisecond", () => {
    assert.equal(parseDuration("0.0001s"), 1);
    assert.equal(parseDuration("1.0005s"), 1_001);
  });

  it("refuses everything else", () => {
    for (const text of ["", "1", "s", "1d", "1h30m", "-1s", "+1s", ".5s", "1.s", "1e3s", " 1s", "1s ", "1ms", "1s\n"]) {
      assert.equal(parseDuration(text), undefined, JSON.stringify(text));
    }
  });

  it("refuses what is too long for Go's duration", () => {
    assert.equal(parseDuration("9223372036.854s"), MAX_DURATION_MS);
    assert.equal(parseDuration("9223372036.855s"), undefined);
    assert.equal(parseDuration("2562048h"), undefined);
    assert.equal(parseDuration(`${"9".repeat(400)}h`), undefined);
  });
});
