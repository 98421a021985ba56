import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RowTooLarge } from "../../../lib/errors.ts";
import type { KeysMessage, WorkMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import { claimOf } from "../../../lib/reconcile/claim.ts";
import { reconciler } from "../../../lib/reconcile/reconcile.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, aPushed } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";
import { aSync } from "./a-sync.ts";

const KEY = aKey();
const START = Date.UTC(2030, 0, 1);
const LARGE = "x".repeat(1_000);
const PARKED = { schedule: { kind: "parked" }, now: START } as const;

/** A store that refuses each state of more than 1,000 characters. */
function limited(store: LeaseStore): LeaseStore {
  const check = (state: unknown): void => {
    if (JSON.stringify(state ?? {}).length > 1_000) throw new RowTooLarge("the row is larger than the table takes");
  };
  return {
    ...store,
    async claim(row, options) {
      check(options);
      return store.claim(row, options);
    },
    async claimPush(row, options) {
      check(options);
      return store.claimPush(row, options);
    },
    async record(lease, state, now) {
      check(state);
      return store.record(lease, state, now);
    },
    async settle(lease, settlement) {
      check(settlement.state);
      return store.settle(lease, settlement);
    },
  };
}

async function aScene() {
  const store = simulatedSqliteStore(undefined);
  await store.declare(aDeclared({ key: KEY }), START);
  const row = async () => (await store.read([KEY], "strong")).get(KEY) ?? assert.fail("no row");
  const queue = { send: async (_messages: readonly WorkMessage[]) => undefined };
  const deps = { leases: limited(store), queue, clock: () => START, random: () => 0.5, log: QUIET };
  const worker = async (...owned: readonly string[]) =>
    claimOf(
      deps,
      await row(),
      owned.map((name) => ({ name })),
    );
  return { row, worker, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

const isTooLarge = { name: "RowTooLarge", code: "STORE_INVALID" };

describe("a row that the table can't hold", () => {
  it("is claimed alone when it is its names or paths: nothing is written, and the failure is settled", async () => {
    for (const [name, paths] of [
      [LARGE, []],
      ["db", [aPushed("db", { keys: [LARGE] })]],
    ] as const) {
      await using scene = await aScene();
      const worker = await scene.worker(name);
      worker.claimPaths(paths);
      await assert.rejects(worker.takeToWrite(), isTooLarge);
      assert.ok(await worker.takeToWrite("status"), "its status tells of it");
      await worker.settle({ ...PARKED, state: { ...EMPTY_STATE, own: "failed" } });
      const { state, leaseUntil } = await scene.row();
      assert.deepEqual([state.own, state.owned, state.pushed, leaseUntil], ["failed", [], undefined, undefined]);
    }
  });

  it("is settled without what can't be recorded", async () => {
    await using scene = await aScene();
    const worker = await scene.worker();
    await worker.takeToWrite();
    await worker.record({ rolledDigest: "known" });
    await assert.rejects(worker.record({ own: LARGE }), isTooLarge);
    assert.deepEqual([worker.row.state.rolledDigest, worker.row.state.own], ["known", undefined]);
  });

  it("is settled as it is stored, with the error, and tries again slowly", async () => {
    await using scene = await aScene();
    const worker = await scene.worker();
    await worker.takeToWrite();
    await worker.record({ rolledDigest: "known" });
    await worker.settle({ ...PARKED, state: { ...EMPTY_STATE, own: LARGE } });
    const { state, leaseUntil, dueAt = 0 } = await scene.row();
    assert.deepEqual([state.rolledDigest, state.own, state.attempts], ["known", undefined, 1]);
    assert.deepEqual([state.error?.code, state.error?.nextAt], ["STORE_INVALID", dueAt]);
    assert.equal(leaseUntil, undefined);
    assert.ok(dueAt - START >= 10_000, `${dueAt - START} ms`);
  });

  it("does not bring its message back, whatever fails of it", async () => {
    await using it = await aSync();
    const leases: LeaseStore = { ...it.store, claim: () => Promise.reject(new RowTooLarge("too large")) };
    const message: KeysMessage = { kind: "keys", keys: [it.key], lane: "now", at: it.now() };
    const { handle } = reconciler({ ...it.deps, leases });
    assert.deepEqual(await handle(message, new AbortController().signal), { failed: [] });
    assert.match(it.seen.log.join("\n"), /row-not-stored .*STORE_INVALID/);
  });
});
