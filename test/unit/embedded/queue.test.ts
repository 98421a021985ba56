import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inProcessQueue } from "../../../lib/embedded/queue.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import type { WorkMessage } from "../../../lib/reconcile/ports.ts";

const key = (name: string): SyncKey => `east/VaultStaticSecret/shop/${name}` as SyncKey;
const keys = (count: number, from = "k"): SyncKey[] => Array.from({ length: count }, (_, at) => key(`${from}${at}`));

type Handle = Parameters<typeof inProcessQueue>[0]["handle"];

function aQueue(handle: Handle = async () => {}, concurrency = 4) {
  const handled: WorkMessage[] = [];
  const queue = inProcessQueue({
    clock: () => performance.now(),
    concurrency: { now: concurrency, refresh: 1 },
    handle: async (message, ended) => {
      handled.push(message);
      await handle(message, ended);
    },
  });
  return { queue, handled };
}

describe("the in-process queue", () => {
  it("hands keys that came together out together, and fills a message with what is ready", async () => {
    const { queue, handled } = aQueue();
    await queue.send([
      { keys: keys(20, "a"), lane: "now", at: 0 },
      { keys: keys(10, "b"), lane: "now", at: 0 },
      { keys: keys(3, "c"), lane: "now", at: 0 },
    ]);
    await queue.idle();
    assert.deepEqual(
      handled.map((message) => message.keys.length),
      [20, 13],
      "ten more do not fit behind twenty, and are not torn apart",
    );
  });

  it("keeps a key once, at the earliest time that was asked for", async () => {
    const { queue, handled } = aQueue();
    const later = performance.now() + 60_000;
    await queue.send([{ keys: [key("x")], lane: "now", at: later }]);
    await queue.send([{ keys: [key("x")], lane: "now", at: 0 }]);
    await queue.idle();
    assert.equal(handled.length, 1);
  });

  it("starts a key when its time has come", async () => {
    const { queue, handled } = aQueue();
    await queue.send([{ keys: [key("x")], lane: "now", at: performance.now() + 60 }]);
    await sleep(20);
    assert.equal(handled.length, 0);
    await sleep(120);
    assert.equal(handled.length, 1);
  });

  it("hands a key out again that is done, while a companion of it still waits for a silent end", async () => {
    const silence = Promise.withResolvers<void>();
    const { queue, handled } = aQueue(async (message, ended) => {
      ended(key("quick"));
      if (message.keys.includes(key("silent"))) await silence.promise;
    });
    await queue.send([{ keys: [key("quick"), key("silent")], lane: "now", at: 0 }]);
    await sleep(10);
    await queue.send([{ keys: [key("quick"), key("silent")], lane: "now", at: 0 }]);
    await sleep(10);
    assert.deepEqual(handled[1]?.keys, [key("quick")]);
    silence.resolve();
    await queue.idle();
    assert.deepEqual(handled[2]?.keys, [key("silent")]);
  });

  it("never works on a key twice at once, and works on it again when that was asked meanwhile", async () => {
    let atWork = 0;
    const { queue, handled } = aQueue(async () => {
      assert.equal(++atWork, 1);
      await sleep(30);
      atWork--;
    });
    await queue.send([{ keys: [key("x")], lane: "now", at: 0 }]);
    await sleep(10);
    await queue.send([{ keys: [key("x")], lane: "now", at: 0 }]);
    await queue.idle();
    assert.equal(handled.length, 2);
  });

  it("lease-table 15: a lane that is busy does not keep the other waiting", async () => {
    const { queue, handled } = aQueue((message) => sleep(message.lane === "refresh" ? 50 : 0));
    await queue.send([
      { keys: [key("slow")], lane: "refresh", at: 0 },
      { keys: [key("next")], lane: "refresh", at: 0 },
      { keys: [key("now")], lane: "now", at: 0 },
    ]);
    await sleep(20);
    assert.ok(handled.some((message) => message.lane === "now"));
    await queue.idle();
  });

  it("says how long the oldest has waited", async () => {
    const { queue } = aQueue(() => sleep(30), 1);
    assert.equal(queue.oldest(), undefined);
    await queue.send([{ keys: keys(25, "a"), lane: "now", at: 0 }]);
    await queue.send([{ keys: [key("b")], lane: "now", at: 1 }]);
    await sleep(10);
    assert.equal(queue.oldest(), 1);
    await queue.idle();
  });

  it("stops with what is under way, and starts nothing more", async () => {
    const { queue, handled } = aQueue(() => sleep(30), 1);
    await queue.send([
      { keys: keys(25, "a"), lane: "now", at: 0 },
      { keys: keys(25, "b"), lane: "now", at: 0 },
    ]);
    await sleep(10);
    await queue.stop();
    assert.equal(handled.length, 1);
  });
});
