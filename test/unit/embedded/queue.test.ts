import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { BudgetLimits } from "../../../lib/embedded/budgets.ts";
import { inProcessQueue } from "../../../lib/embedded/queue.ts";
import { partsOf, type SyncKey } from "../../../lib/keys.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import { waitFor } from "../../harness/index.ts";

const key = (name: string): SyncKey => `east/VaultStaticSecret/shop/${name}` as SyncKey;
const keys = (count: number, from = "k"): SyncKey[] => Array.from({ length: count }, (_, at) => key(`${from}${at}`));

type Handle = Parameters<typeof inProcessQueue>[0]["handle"];
const PLENTY: BudgetLimits = {
  lane: { renew: 25, now: 100, refresh: 25 },
  cluster: 1_000,
  namespace: 1_000,
  waiting: 1_000,
};

function aQueue(handle: Handle = async () => {}, limits: Partial<BudgetLimits> = {}) {
  const handled: KeysMessage[] = [];
  const queue = inProcessQueue({
    clock: () => performance.now(),
    limits: { ...PLENTY, ...limits },
    handle: async (message, progress) => {
      handled.push(message);
      await handle(message, progress);
    },
  });
  return { queue, handled };
}

/** Lets everything start that can. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await turn();
}

/** A queue whose keys of this namespace wait for a silent Vault until the test ends it. */
function withSilent(namespace: string, limits: Partial<BudgetLimits>) {
  const silence = Promise.withResolvers<void>();
  const started: SyncKey[] = [];
  const queue = inProcessQueue({
    clock: () => performance.now(),
    limits: { ...PLENTY, ...limits },
    async handle(message, progress) {
      started.push(...message.keys);
      for (const one of message.keys) {
        if (partsOf(one).namespace === namespace) progress.waits(one, false);
        else progress.onKeyDone(one);
      }
      if (message.keys.some((one) => partsOf(one).namespace === namespace)) await silence.promise;
    },
  });
  const of = (place: string) => started.filter((one) => one.includes(`/${place}/`)).length;
  return { queue, of, speak: silence.resolve };
}

const keyIn = (place: string, at: number): SyncKey => {
  const [cluster, namespace] = place.split("/");
  return `${cluster}/VaultStaticSecret/${namespace}/s${at}` as SyncKey;
};
const sent = (place: string, count: number, from = 0): KeysMessage[] =>
  Array.from({ length: count }, (_, at) => ({ kind: "keys", keys: [keyIn(place, from + at)], lane: "now", at: 0 }));

describe("what a silent Vault keeps waiting", () => {
  it("is its own namespace, up to that one's budget; neighbours and other clusters start at once", async () => {
    const { queue, of, speak } = withSilent("noisy", {
      namespace: 30,
      cluster: 40,
      lane: { renew: 25, now: 50, refresh: 25 },
    });
    await queue.send([...sent("east/noisy", 300), ...sent("east/quiet", 20), ...sent("west/quiet", 20)]);
    await settled();
    assert.deepEqual([of("noisy"), of("quiet")], [30, 40]);
    await queue.send(sent("east/quiet", 20, 20));
    await settled();
    assert.deepEqual([of("noisy"), of("quiet")], [30, 60], "declared later, started at once");
    speak();
    await queue.idle();
    assert.equal(of("noisy"), 300);
  });

  it("takes no slot of its cluster or lane, even with many namespaces, until too many wait", async () => {
    const { queue, of, speak } = withSilent("noisy", { namespace: 30, cluster: 30, waiting: 60 });
    await queue.send([...sent("east/noisy", 30), ...sent("west/noisy", 30)]);
    await settled();
    await queue.send(sent("east/quiet", 30));
    await settled();
    assert.deepEqual([of("noisy"), of("quiet")], [60, 30]);
    speak();
    await queue.idle();
  });

  it("gets its slots back when it speaks, whatever was taken meanwhile", async () => {
    const { queue, of, speak } = withSilent("noisy", { namespace: 25, cluster: 25 });
    await queue.send(sent("east/noisy", 50));
    await settled();
    assert.equal(of("noisy"), 25);
    speak();
    await queue.idle();
    assert.equal(of("noisy"), 50);
  });

  it("lets namespaces take turns: a long line of one does not stand before the others", async () => {
    const order: SyncKey[] = [];
    const { queue } = aQueue(async ({ keys: started }) => void order.push(...started), {
      lane: { renew: 25, now: 25, refresh: 25 },
    });
    await queue.send([...sent("east/long", 500), ...sent("east/short", 1)]);
    await queue.idle();
    assert.ok(order.indexOf(keyIn("east/short", 0)) < 25, "in the first message");
  });

  it("starts at its time what stands behind something that has no room", async () => {
    const { queue, of, speak } = withSilent("noisy", { namespace: 25, cluster: 25, waiting: 0 });
    await queue.send(sent("east/noisy", 50));
    await settled();
    await queue.send([{ kind: "keys", keys: [keyIn("west/quiet", 0)], lane: "now", at: performance.now() + 30 }]);
    await waitFor("the later key", async () => of("quiet") === 1);
    speak();
    await queue.idle();
  });
});

describe("renewals", () => {
  const renewals = (count: number): KeysMessage => {
    const all = Array.from({ length: count }, (_, at) => keyIn("east/shop", at));
    return { kind: "keys", keys: all, lane: "renew", at: 0 };
  };

  it("lease-table 29: start at once, all of a message, while first syncs of their namespace and cluster wait for room", async () => {
    const work = Promise.withResolvers<void>();
    const { queue, handled } = aQueue(({ lane }) => (lane === "now" ? work.promise : Promise.resolve()), {
      ...{ namespace: 25, cluster: 25 },
    });
    await queue.send(sent("east/shop", 100, 100));
    await settled();
    await queue.send([renewals(20)]);
    await settled();
    assert.equal(handled.filter(({ lane }) => lane === "renew").flatMap(({ keys: started }) => started).length, 20);
    work.resolve();
    await queue.idle();
  });

  it("take no room of first syncs, and have budgets of their own", async () => {
    const work = Promise.withResolvers<void>();
    const { queue, handled } = aQueue(() => work.promise, { namespace: 25, cluster: 25 });
    await queue.send([renewals(25)]);
    await settled();
    await queue.send([
      ...sent("east/shop", 25, 100),
      ...sent("east/shop", 1, 50).map((one) => ({ ...one, lane: "renew" as const })),
    ]);
    await settled();
    assert.equal(handled.flatMap(({ keys: started }) => started).length, 50);
    work.resolve();
    await queue.idle();
  });
});

describe("the in-process queue", () => {
  it("hands keys that came together out together, and fills a message with what is ready", async () => {
    const { queue, handled } = aQueue();
    await queue.send([
      { kind: "keys", keys: keys(20, "a"), lane: "now", at: 0 },
      { kind: "keys", keys: keys(10, "b"), lane: "now", at: 0 },
      { kind: "keys", keys: keys(3, "c"), lane: "now", at: 0 },
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
    await queue.send([{ kind: "keys", keys: [key("x")], lane: "now", at: later }]);
    await queue.send([{ kind: "keys", keys: [key("x")], lane: "now", at: 0 }]);
    await queue.idle();
    assert.equal(handled.length, 1);
  });

  it("starts a key when its time has come", async () => {
    const { queue, handled } = aQueue();
    const at = performance.now() + 60;
    await queue.send([{ kind: "keys", keys: [key("x")], lane: "now", at }]);
    await settled();
    const early = handled.length;
    if (performance.now() < at) assert.equal(early, 0);
    await waitFor("the key", async () => handled.length === 1);
    assert.ok(performance.now() >= at);
  });

  it("hands a key out again that is done, while a companion of it still waits for a silent end", async () => {
    const silence = Promise.withResolvers<void>();
    const { queue, handled } = aQueue(async (message, { onKeyDone }) => {
      onKeyDone(key("quick"));
      if (message.keys.includes(key("silent"))) await silence.promise;
    });
    await queue.send([{ kind: "keys", keys: [key("quick"), key("silent")], lane: "now", at: 0 }]);
    await settled();
    await queue.send([{ kind: "keys", keys: [key("quick"), key("silent")], lane: "now", at: 0 }]);
    await settled();
    assert.deepEqual(handled[1]?.keys, [key("quick")]);
    silence.resolve();
    await queue.idle();
    assert.deepEqual(handled[2]?.keys, [key("silent")]);
  });

  it("never works on a key twice at once, and works on it again when that was asked meanwhile", async () => {
    let atWork = 0;
    const work = Promise.withResolvers<void>();
    const { queue, handled } = aQueue(async () => {
      assert.equal(++atWork, 1);
      await work.promise;
      atWork--;
    });
    await queue.send([{ kind: "keys", keys: [key("x")], lane: "now", at: 0 }]);
    await settled();
    await queue.send([{ kind: "keys", keys: [key("x")], lane: "now", at: 0 }]);
    await settled();
    assert.equal(handled.length, 1);
    work.resolve();
    await queue.idle();
    assert.equal(handled.length, 2);
  });

  it("lease-table 15: a lane that is busy does not keep the other waiting", async () => {
    const work = Promise.withResolvers<void>();
    const { queue, handled } = aQueue(async ({ lane }) => (lane === "refresh" ? work.promise : undefined));
    await queue.send([
      { kind: "keys", keys: [key("slow")], lane: "refresh", at: 0 },
      { kind: "keys", keys: [key("next")], lane: "refresh", at: 0 },
      { kind: "keys", keys: [key("now")], lane: "now", at: 0 },
    ]);
    await settled();
    assert.ok(handled.some((message) => message.lane === "now"));
    work.resolve();
    await queue.idle();
  });

  it("says how long the oldest of a lane has waited for nothing but room in it", async () => {
    const work = Promise.withResolvers<void>();
    const { queue } = aQueue(() => work.promise, { lane: { renew: 25, now: 25, refresh: 25 } });
    assert.equal(queue.oldest("now", false), undefined);
    await queue.send([{ kind: "keys", keys: keys(25, "a"), lane: "now", at: 0 }]);
    await queue.send([{ kind: "keys", keys: [key("b")], lane: "now", at: 2 }]);
    await queue.send(sent("west/shop", 1).map((one) => ({ ...one, at: 1 })));
    await settled();
    assert.deepEqual([queue.oldest("now", false), queue.oldest("refresh", false)], [1, undefined]);
    work.resolve();
    await queue.idle();
    assert.equal(queue.oldest("now", false), undefined);
  });

  it("says nothing of what waits for its own namespace, or for its cluster if there are others", async () => {
    for (const [limits, isAlone] of [
      [{ namespace: 25 }, true],
      [{ namespace: 25 }, false],
      [{ cluster: 25 }, false],
    ] as const) {
      const work = Promise.withResolvers<void>();
      const { queue } = aQueue(() => work.promise, limits);
      await queue.send(sent("east/slow", 50));
      await settled();
      assert.equal(queue.oldest("now", isAlone), undefined);
      work.resolve();
      await queue.idle();
    }
  });

  it("says how long the oldest has waited for the only cluster, or for one of two that fill the lane", async () => {
    for (const [clusters, isAlone] of [
      [["east"], true],
      [["east", "west"], false],
    ] as const) {
      const work = Promise.withResolvers<void>();
      const { queue } = aQueue(() => work.promise, { cluster: 25, lane: { renew: 50, now: 50, refresh: 50 } });
      for (const cluster of clusters) await queue.send(sent(`${cluster}/shop`, 50));
      await settled();
      assert.equal(queue.oldest("now", isAlone), 0, clusters.join());
      work.resolve();
      await queue.idle();
    }
  });

  it("stops with what is under way, and starts nothing more", async () => {
    const work = Promise.withResolvers<void>();
    const { queue, handled } = aQueue(() => work.promise, { lane: { renew: 25, now: 25, refresh: 25 } });
    await queue.send([
      { kind: "keys", keys: keys(25, "a"), lane: "now", at: 0 },
      { kind: "keys", keys: keys(25, "b"), lane: "now", at: 0 },
    ]);
    await settled();
    const stopped = queue.stop();
    work.resolve();
    await stopped;
    assert.equal(handled.length, 1);
  });
});
