import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { releaseWaker } from "../../../lib/failures/release-wake.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);

function aTable() {
  const store = openSqliteStore({ path: ":memory:" });
  const sent: WorkMessage[] = [];
  const warned: string[] = [];
  const log = { debug() {}, info() {}, warn: (event: string) => void warned.push(event), error() {} };
  const queue = { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) };
  const deps = { leases: store, queue, clock: () => NOW, log };
  return {
    store,
    wakes: releaseWaker(deps),
    sent: () => sent.splice(0).flatMap((message) => (message.kind === "keys" ? message.keys : [])),
    warned,
    async settled(name: string, awaits?: RowState["awaits"]) {
      await store.declare(aDeclared({ key: aKey(name) }), NOW);
      const row = (await store.read([aKey(name)], "strong")).get(aKey(name)) ?? assert.fail();
      const claim = await store.claim(row, { now: NOW, until: NOW + 1 });
      const state = { ...EMPTY_STATE, ...(awaits ? { awaits } : {}) };
      await store.settle(claim?.lease ?? assert.fail(), { state, schedule: { kind: "parked" }, now: NOW });
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("who was refused a Secret is woken when it is released", () => {
  const db = { namespace: "shop", name: "db" };

  it("those that wait for it, at once and to verify, and nobody else", async () => {
    await using table = aTable();
    await table.settled("refused", ["cause:SECRET_NOT_OURS:1", "destination:east/shop/db"]);
    await table.settled("other", ["destination:east/shop/other"]);
    await table.settled("elsewhere", ["destination:west/shop/db"]);
    await table.settled("in-step");
    await table.wakes.wakeRefused("east", []);
    assert.deepEqual(table.sent(), []);
    await table.wakes.wakeRefused("east", [db, { ...db, name: "nobody's" }]);
    assert.deepEqual(table.sent(), [aKey("refused")]);
    const row = (await table.store.read([aKey("refused")], "strong")).get(aKey("refused"));
    assert.deepEqual([row?.verify, row?.dueAt], [true, NOW]);
    assert.equal(table.store.counts().byCluster, undefined);
  });

  it("a lease table that fails is said, and no failure of who released it", async () => {
    const table = aTable();
    await table[Symbol.asyncDispose]();
    await table.wakes.wakeRefused("east", [db]);
    assert.deepEqual(table.warned, ["wake-failed"]);
  });
});
