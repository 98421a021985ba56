import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SyncKey } from "../../lib/keys.ts";
import type { KeysMessage, WorkQueue } from "../../lib/ports/queue.ts";

/** A queue whose worker is the test's. */
export interface OpenedQueue extends Disposable {
  readonly queue: WorkQueue<KeysMessage>;
  now(): number;
  /** Waits until it is so. */
  until(isSo: () => boolean): Promise<void>;
}

export type OpenQueue = (handle: (message: KeysMessage) => Promise<void>) => OpenedQueue;

const key = (name: string): SyncKey => `east/VaultStaticSecret/shop/${name}` as SyncKey;
const keys = (count: number, of = "k"): SyncKey[] => Array.from({ length: count }, (_, at) => key(`${of}${at}`));

/** What is owed by any queue of work: at least once, never before its time, each lane by itself. */
export function workQueueContract(name: string, open: OpenQueue): void {
  describe(`work queue: ${name}`, () => {
    it("hands out every key that was accepted, with its lane", async () => {
      const seen = new Map<SyncKey, string>();
      using opened = open(async ({ keys: some, lane }) => {
        for (const one of some) seen.set(one, lane);
      });
      const now = opened.now();
      await opened.queue.send([
        { kind: "keys", keys: keys(25, "a"), lane: "now", at: now },
        { kind: "keys", keys: keys(25, "b"), lane: "refresh", at: now },
        { kind: "keys", keys: keys(3, "c"), lane: "now", at: now },
      ]);
      await opened.until(() => seen.size === 53);
      assert.deepEqual([seen.get(key("a7")), seen.get(key("b7")), seen.get(key("c1"))], ["now", "refresh", "now"]);
    });

    it("lease-table 14: hands nothing out before its time", async () => {
      const startedAt = new Map<SyncKey, number>();
      using opened = open(async ({ keys: some }) => {
        for (const one of some) startedAt.set(one, opened.now());
      });
      const now = opened.now();
      for (const [at, ms] of [400, 0, 200].entries()) {
        await opened.queue.send([{ kind: "keys", keys: [key(`k${at}`)], lane: "now", at: now + ms }]);
      }
      await opened.until(() => startedAt.size === 3);
      for (const [at, ms] of [400, 0, 200].entries()) {
        // Timers may be a millisecond early.
        assert.ok((startedAt.get(key(`k${at}`)) ?? 0) >= now + ms - 2, `k${at}`);
      }
    });

    it("takes what is sent while its work goes on, from within that work as well", async () => {
      const seen: SyncKey[] = [];
      using opened = open(async ({ keys: some }) => {
        seen.push(...some);
        const [first] = some;
        if (first === key("k0"))
          await opened.queue.send([{ kind: "keys", keys: [key("next")], lane: "now", at: opened.now() }]);
      });
      await opened.queue.send([{ kind: "keys", keys: [key("k0")], lane: "now", at: opened.now() }]);
      await opened.until(() => seen.includes(key("next")));
    });

    it("lease-table 15: a lane that is stuck does not stop the other one", async () => {
      const stuck = Promise.withResolvers<void>();
      let isDone = false;
      using opened = open(async ({ lane }) => {
        if (lane === "refresh") await stuck.promise;
        else isDone = true;
      });
      const at = opened.now();
      await opened.queue.send(keys(200).map((one) => ({ kind: "keys", keys: [one], lane: "refresh", at })));
      await opened.queue.send([{ kind: "keys", keys: [key("quick")], lane: "now", at }]);
      await opened.until(() => isDone);
      stuck.resolve();
    });
  });
}
