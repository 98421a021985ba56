import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { damageReport } from "../../../lib/store/damage.ts";

describe("a row that can't be read", () => {
  it("is told once, with its key and code; a table full of them is told of up to a bound", () => {
    const told: unknown[] = [];
    const counted: string[] = [];
    const quiet = () => undefined;
    const log = {
      debug: quiet,
      info: quiet,
      warn: quiet,
      error: (_: string, fields: unknown) => void told.push(fields),
    };
    const report = damageReport({ log, metrics: { count: (name) => void counted.push(name), observe: quiet } });
    report("one");
    report("one");
    assert.equal(told.length, 1);
    assert.deepEqual([Object(told[0]).key, Object(told[0]).code], ["one", "STORE_INVALID"]);
    assert.match(Object(told[0]).message, /the row one .*change an annotation/);
    assert.deepEqual(counted, ["keyferry_rows_damaged_total"]);
    for (let at = 0; at < 2_000; at++) report(String(at));
    assert.equal(told.length, 1_000);
  });
});
