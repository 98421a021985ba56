import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type SlotGrant, type SlotLimits, slots } from "../../../lib/util/slots.ts";

const forever = new AbortController().signal;
const PLENTY: SlotLimits = { atOnce: 100, ofPlace: 100, inAll: 100 };

/** Slots under these limits, and work in them that ends when the test says so. */
function aQueue(limits: Partial<SlotLimits>) {
  const queue = slots({ ...PLENTY, ...limits });
  const started: string[] = [];
  const turns = new Map<string, SlotGrant & { readonly end: () => void }>();
  const all: Promise<void>[] = [];
  const ask = (...names: readonly string[]): void => {
    for (const name of names) {
      const end = Promise.withResolvers<void>();
      const work = (mine: SlotGrant): Promise<void> => {
        started.push(name);
        turns.set(name, { ...mine, end: end.resolve });
        return end.promise;
      };
      all.push(queue.run(name.replace(/\d+$/, ""), work, forever));
    }
  };
  const end = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) turns.get(name)?.end();
    await turn();
  };
  const stepAside = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) turns.get(name)?.stepAside();
    await turn();
  };
  const endAll = async (): Promise<void> => {
    for (let before = -1; started.length > before; ) {
      before = started.length;
      await end(...started);
    }
    await Promise.all(all);
  };
  return { queue, ask, end, stepAside, endAll, started };
}

describe("slots", () => {
  it("let no more than their number work at once, first come first served", async () => {
    const { ask, end, endAll, started } = aQueue({ atOnce: 2 });
    ask("a1", "a2", "a3", "a4");
    await turn();
    assert.deepEqual(started, ["a1", "a2"]);
    await end("a2");
    assert.deepEqual(started, ["a1", "a2", "a3"]);
    await endAll();
    assert.deepEqual(started, ["a1", "a2", "a3", "a4"]);
  });

  it("leave room for others, however much one place asks for", async () => {
    const { ask, endAll, started } = aQueue({ atOnce: 4, ofPlace: 3 });
    ask("a1", "a2", "a3", "a4", "a5", "b1");
    await turn();
    assert.deepEqual(started, ["a1", "a2", "a3", "b1"]);
    await endAll();
  });

  it("go to the places in turn", async () => {
    const { ask, end, endAll, started } = aQueue({ atOnce: 1 });
    ask("a1", "a2", "a3", "b1", "c1");
    await turn();
    await end("a1");
    await end("a2");
    await end("b1");
    assert.deepEqual(started, ["a1", "a2", "b1", "c1"]);
    await endAll();
  });

  it("are free for others once who had them steps aside, and its place still counts it", async () => {
    const { ask, stepAside, endAll, started } = aQueue({ atOnce: 2, ofPlace: 2 });
    ask("a1", "a2", "a3", "b1", "b2");
    await turn();
    assert.deepEqual(started, ["a1", "a2"]);
    await stepAside("a1", "a2");
    assert.deepEqual(started, ["a1", "a2", "b1", "b2"]);
    await endAll();
  });

  it("are not given up twice, nor after the end", async () => {
    const { ask, end, stepAside, endAll, started } = aQueue({ atOnce: 1 });
    ask("a1", "b1", "c1", "d1");
    await turn();
    await stepAside("a1", "a1");
    await end("a1");
    await stepAside("a1");
    assert.deepEqual(started, ["a1", "b1"]);
    await endAll();
  });

  it("are kept when too many stepped aside", async () => {
    const { ask, stepAside, endAll, started } = aQueue({ atOnce: 1, inAll: 2 });
    ask("a1", "b1", "c1");
    await turn();
    await stepAside("a1", "b1");
    await stepAside("b1");
    assert.deepEqual(started, ["a1", "b1"]);
    await endAll();
  });

  it("come back after a failure", async () => {
    const { queue } = aQueue({ atOnce: 1 });
    await assert.rejects(queue.run("a", () => Promise.reject(new Error("no")), forever));
    assert.equal(await queue.run("a", async () => 1, forever), 1);
  });

  it("refuse everyone who waits, and nobody who comes later", async () => {
    const { queue, ask, endAll, started } = aQueue({ atOnce: 1 });
    ask("a1");
    const waiting = [1, 2].map(() =>
      assert.rejects(
        queue.run("a", async () => assert.fail("refused"), forever),
        /down/,
      ),
    );
    queue.refuse(new Error("down"));
    await Promise.all(waiting);
    ask("a2");
    await endAll();
    assert.deepEqual(started, ["a1", "a2"]);
  });

  it("are not taken by whoever stopped waiting", async () => {
    const { queue, ask, endAll } = aQueue({ atOnce: 1 });
    ask("a1");
    const leaving = new AbortController();
    const second = queue.run("a", async () => assert.fail("it had left"), leaving.signal);
    leaving.abort(new Error("left"));
    await assert.rejects(second, /left/);
    await endAll();
    assert.equal(await queue.run("a", async () => "free", forever), "free");
  });
});
