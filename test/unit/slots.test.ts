import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { slots } from "../../lib/slots.ts";

const forever = new AbortController().signal;

describe("slots", () => {
  it("let no more than their number work at once, first come first served", async () => {
    const queue = slots(2);
    const started: number[] = [];
    const ends = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
    const all = ends.map((end, index) =>
      queue.run(() => {
        started.push(index);
        return end.promise;
      }, forever),
    );
    await turn();
    assert.deepEqual(started, [0, 1]);
    ends[1]?.resolve();
    await turn();
    assert.deepEqual(started, [0, 1, 2]);
    for (const end of ends) end.resolve();
    await Promise.all(all);
    assert.deepEqual(started, [0, 1, 2, 3]);
  });

  it("come back after a failure", async () => {
    const queue = slots(1);
    await assert.rejects(queue.run(() => Promise.reject(new Error("no")), forever));
    assert.equal(await queue.run(async () => 1, forever), 1);
  });

  it("refuse everyone who waits, and nobody who comes later", async () => {
    const queue = slots(1);
    const first = Promise.withResolvers<void>();
    const running = queue.run(() => first.promise, forever);
    const waiting = [1, 2].map(() =>
      assert.rejects(
        queue.run(async () => assert.fail("refused"), forever),
        /down/,
      ),
    );
    queue.refuse(new Error("down"));
    await Promise.all(waiting);
    const later = queue.run(async () => "later", forever);
    first.resolve();
    await running;
    assert.equal(await later, "later");
  });

  it("are not taken by whoever stopped waiting", async () => {
    const queue = slots(1);
    const first = Promise.withResolvers<void>();
    const running = queue.run(() => first.promise, forever);
    const leaving = new AbortController();
    const second = queue.run(async () => assert.fail("it had left"), leaving.signal);
    leaving.abort(new Error("left"));
    await assert.rejects(second, /left/);
    first.resolve();
    await running;
    assert.equal(await queue.run(async () => "free", forever), "free");
  });
});
