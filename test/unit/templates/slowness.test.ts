import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS } from "../../../lib/clock.ts";
import { slowness } from "../../../lib/templates/slowness.ts";

function scene() {
  let now = 0;
  const slow = slowness(() => now);
  return {
    ...slow,
    pass(ms: number): void {
      now += ms;
    },
  };
}

describe("which renderings are expected to be slow", () => {
  it("are those of a set that was slow, in every namespace, until it was quick", () => {
    const slow = scene();
    slow.add("set", "east/shop");
    slow.pass(10 * MINUTE_MS);
    assert.deepEqual([slow.isSlow("set"), slow.isSlow("other")], [true, false]);
    slow.forget("set");
    assert.equal(slow.isSlow("set"), false);
  });

  it("may be all of a namespace for a minute after the second slow one within a minute", () => {
    const slow = scene();
    slow.add("a", "east/shop");
    slow.pass(MINUTE_MS - 1);
    assert.equal(slow.isDoubted("east/shop"), false);
    slow.add("b", "east/shop");
    slow.pass(MINUTE_MS - 1);
    assert.deepEqual([slow.isDoubted("east/shop"), slow.isDoubted("east/bank")], [true, false]);
    slow.pass(1);
    assert.equal(slow.isDoubted("east/shop"), false);
  });

  it("are no others of a namespace with one now and then", () => {
    const slow = scene();
    for (const name of ["a", "b", "c"]) {
      slow.add(name, "east/shop");
      assert.equal(slow.isDoubted("east/shop"), false, name);
      slow.pass(MINUTE_MS);
    }
  });

  it("are of a thousand sets at most: the latest", () => {
    const slow = scene();
    for (let at = 0; at <= 1_000; at++) slow.add(`${at}`, `east/${at}`);
    assert.deepEqual([slow.isSlow("0"), slow.isSlow("1")], [false, true]);
  });
});
