import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EpochMs, HOUR_MS } from "../../../lib/clock.ts";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import { EMPTY_STATE, type Pushed } from "../../../lib/ports/rows.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import { aDeclared, aKey, anIssue, aPushed } from "../../builders.ts";
import type { Dynalite } from "../../harness/dynalite.ts";
import { LEASE_MS, START } from "../lease-store/scene.ts";
import { betweenWorld, KEY, WHEEL } from "./between-world.ts";

/** What happens to a row between its read and the write that ends it. */
export function dynamoLeftBetweenContract(dynalite: () => Dynalite): void {
  const world = () => betweenWorld(dynalite());

  describe("between the read and the end of a row", () => {
    it("lease-table 8: a declaration that changes meanwhile is what its clean-up has", async () => {
      using it = await world();
      const { lease } = await it.claim();
      const state = { ...EMPTY_STATE, owned: [{ name: "db" }] };
      await it.other.settle(lease, { state, schedule: WHEEL, now: START });
      const changed = aDeclared({ hash: "changed", spec: { changed: true } });
      it.before("TransactWriteItemsCommand", () => it.other.declare(changed, START));
      const { key = KEY } = (await it.store.tombstone(KEY, lease.uid, START)) ?? {};
      const left = (await it.other.read([key, KEY], "strong")).get(key);
      assert.deepEqual(left?.declared, { ...changed, key: cleanupKey(KEY, lease.uid) });
    });

    it("lease-table 28: what a row gets meanwhile keeps it as a clean-up, whether it is tombstoned or retired", async () => {
      for (const how of ["tombstone", "retire"] as const) {
        using it = await world();
        await it.settle((await it.claim()).lease);
        it.before("DeleteItemCommand", async () => {
          const { lease } = await it.claim();
          await it.other.record(lease, { ...EMPTY_STATE, issues: [anIssue()] }, START);
        });
        const { uid } = (await it.row()).declared;
        const due =
          how === "retire"
            ? await it.store.retire(KEY, START + HOUR_MS, START)
            : await it.store.tombstone(KEY, uid, START);
        const key = cleanupKey(KEY, uid);
        assert.equal(due?.key, key, how);
        const rows = await it.other.read([KEY, key], "strong");
        assert.deepEqual([rows.has(KEY), rows.get(key)?.state.issues], [false, [anIssue()]], how);
      }
    });

    it("lease-table 31: a path that a settle let go of is free, even if its worker died before the index followed", async () => {
      using it = await world();
      const [db, more] = [aPushed(), aPushed("more")];
      const claimPush = async (key: SyncKey, ...pushed: readonly Pushed[]) => {
        const row = (await it.other.read([key], "strong")).get(key) ?? assert.fail();
        return (await it.other.claimPush(row, { now: START, until: START + LEASE_MS, pushed })) ?? assert.fail();
      };
      const first = await claimPush(KEY, db, more);
      assert.ok("lease" in first);
      it.before("DeleteItemCommand", () => Promise.reject(new Error("the process ends here")));
      const state = { ...EMPTY_STATE, pushed: [more] };
      await assert.rejects(it.store.settle(first.lease, { state, schedule: WHEEL, now: START }), /the process ends/);
      await it.other.settle((await it.claim()).lease, { state, schedule: WHEEL, now: START });
      const rival = aKey("rival");
      await it.other.declare(aDeclared({ key: rival }), START);
      const refused = await claimPush(rival, more);
      assert.deepEqual("by" in refused && refused.by, KEY);
      assert.ok("lease" in (await claimPush(rival, db)));
    });

    it("lease-table 31: a path that its row takes again while another one looks at it stays that row's", async () => {
      using it = await world();
      const rival = aKey("rival");
      await it.other.declare(aDeclared({ key: rival }), START);
      const claimPush = async (by: LeaseStore, key: SyncKey, now: EpochMs) => {
        const row = (await it.other.read([key], "strong")).get(key) ?? assert.fail();
        return (await by.claimPush(row, { now, until: now + LEASE_MS, pushed: [aPushed()] })) ?? assert.fail();
      };
      const first = await claimPush(it.other, KEY, START);
      assert.ok("lease" in first);
      it.before("DeleteItemCommand", () => Promise.reject(new Error("the process ends here")));
      await assert.rejects(it.store.settle(first.lease, { state: EMPTY_STATE, schedule: WHEEL, now: START }));
      it.before("DeleteItemCommand", () => claimPush(it.other, KEY, START));
      const refused = await claimPush(it.store, rival, START);
      assert.deepEqual("by" in refused && refused.by, KEY);
      assert.deepEqual((await it.row()).state.pushed, [aPushed()]);
    });
  });
}
