import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { tasks } from "../../../lib/util/tasks.ts";

describe("work that goes on beside something else", () => {
  it("may fail before anybody waits for it: that is told when all of it has ended", async () => {
    let told = 0;
    const beside = tasks(() => {
      told += 1;
    });
    const late = Promise.withResolvers<void>();
    beside.add(Promise.reject(new Error("first")));
    beside.add(late.promise);
    await turn();
    assert.equal(told, 1);
    let hasEnded = false;
    const ended = beside.allDone().finally(() => {
      hasEnded = true;
    });
    const heard = assert.rejects(ended, /first/);
    await turn();
    assert.equal(hasEnded, false);
    late.reject(new Error("second"));
    await heard;
    assert.equal(told, 2);
  });

  it("includes what is added meanwhile", async () => {
    const done: string[] = [];
    const beside = tasks();
    beside.add(
      turn().then(() => {
        done.push("one");
        beside.add(turn().then(() => done.push("two")));
      }),
    );
    await beside.allDone();
    assert.deepEqual(done, ["one", "two"]);
  });
});
