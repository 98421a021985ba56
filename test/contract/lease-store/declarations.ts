import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import { aDeclared, aKey, aPlace, aReferenceKey } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, SLOT } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;

export function declarationsContract(open: OpenStore): void {
  describe("declarations", () => {
    it("lease-table 5: a new declaration is due at once, in the lane for new work", async () => {
      await using scene = await aScene(open);
      const declared = aDeclared();
      const due = await scene.store.declare(declared, scene.clock());
      assert.equal(scene.writes(), 1);
      assert.deepEqual(due, { key: declared.key, group: declared.group, lane: "now", at: scene.clock() });
      const row = await scene.row(declared.key);
      assert.deepEqual(row.declared, declared);
      assert.deepEqual([row.nudges, row.verify, row.dueAt, row.leaseUntil], [0, false, scene.clock(), undefined]);
    });

    it("lease-table 5: the same uid and hash write nothing, whatever else changed", async () => {
      await using scene = await aScene(open);
      const row = await scene.declare();
      scene.writes();
      const seen = { resourceVersion: "200", status: { lastGeneration: 1 } };
      assert.equal(await scene.store.declare({ ...row.declared, seen }, scene.clock() + 1), undefined);
      assert.equal(scene.writes(), 0);
      assert.deepEqual(await scene.row(row.key), row);
    });

    it("lease-table 5: a changed declaration counts as a nudge, is due now and keeps the state", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL, {}, { digest: "d", place: aPlace() });
      scene.pass(HOUR_MS);
      const changed = aDeclared({ hash: "changed", generation: 2, group: "another" });
      const due = await scene.store.declare(changed, scene.clock());
      assert.deepEqual(due, { key: row.key, group: "another", lane: "now", at: scene.clock() });
      assert.deepEqual(await scene.store.due({ after: 0, until: scene.clock(), now: scene.clock() }, 9), [due]);
      const after = await scene.row(row.key);
      assert.deepEqual(after, { ...row, declared: changed, nudges: row.nudges + 1, dueAt: scene.clock() });
      assert.deepEqual(await scene.readers(), [row.key]);
    });

    it("lease-table 5: a declaration that changes during work is carried out after it, and settle does not undo it", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      const changed = aDeclared({ hash: "changed", generation: 2 });
      const due = await scene.store.declare(changed, scene.clock());
      assert.equal(due?.at, lease.until);
      assert.equal((await scene.row(lease.key)).dueAt, lease.until);
      scene.pass(1_000);
      assert.equal(await scene.settle(lease, WHEEL, { appliedHash: "old" }), "nudged");
      const after = await scene.row(lease.key);
      assert.deepEqual(after.declared, changed);
      assert.equal(after.state.appliedHash, "old");
      assert.deepEqual([after.dueAt, after.leaseUntil], [scene.clock(), undefined]);
    });

    it("lease-table 8: names enter `owned` with the claim, and what is recorded of them stays", async () => {
      await using scene = await aScene(open);
      const known = { name: "known", uid: "u", resourceVersion: "7" };
      const row = await scene.settled(WHEEL, {}, { owned: [known], digest: "d" });
      const claimed = await scene.store.claim(row, {
        now: scene.clock(),
        until: scene.clock() + LEASE_MS,
        owned: [{ name: "known" }, { name: "new" }],
      });
      assert.deepEqual(claimed?.row.state, { ...row.state, owned: [known, { name: "new" }] });
      assert.deepEqual(await scene.row(row.key), claimed?.row);
    });

    it("lease-table 8: a tombstoned declaration leaves a clean-up with a row and a lease of its own", async () => {
      await using scene = await aScene(open);
      const owned = [{ name: "db", uid: "u" }];
      const row = await scene.settled(WHEEL, {}, { owned, place: aPlace(), refs: [aReferenceKey()] });
      scene.pass(HOUR_MS);
      const to = cleanupKey(row.key, row.declared.uid);
      const due = await scene.store.tombstone(row.key, row.declared.uid, scene.clock());
      assert.deepEqual(due, { key: to, group: row.declared.group, lane: "now", at: scene.clock() });
      assert.equal((await scene.store.read([row.key], "strong")).size, 0);
      const cleanup = await scene.row(to);
      assert.deepEqual([cleanup.state.owned, cleanup.state.busyUntil, cleanup.wheel], [owned, undefined, undefined]);
      assert.ok(cleanup.fence >= row.fence);
      assert.equal(cleanup.declared.uid, row.declared.uid);
      assert.deepEqual(await scene.readers(), []);
      assert.deepEqual(await scene.store.onWheel("refresh", SLOT.period, 0, SLOT.period), []);
      assert.deepEqual(
        (await scene.store.byCluster("east")).map(({ key }) => key),
        [to],
      );
      assert.equal(await scene.settle(await scene.claim(cleanup), { kind: "gone" }), "settled");
      assert.equal((await scene.store.byCluster("east")).length, 0);
    });

    it("lease-table 8: a declaration that goes during work: its clean-up knows until when, and the worker's settle is lost", async () => {
      await using scene = await aScene(open);
      const row = await scene.declare();
      const lease = await scene.claim(row, [{ name: "db" }]);
      const due = await scene.store.tombstone(row.key, row.declared.uid, scene.clock());
      const cleanup = await scene.row(due?.key ?? assert.fail());
      assert.equal(cleanup.state.busyUntil, lease.until);
      assert.deepEqual(cleanup.state.owned, [{ name: "db" }]);
      assert.deepEqual([cleanup.leaseUntil, cleanup.dueAt], [undefined, scene.clock()]);
      assert.equal(await scene.settle(lease, WHEEL), "lost");
      assert.deepEqual(await scene.row(cleanup.key), cleanup);
    });

    it("lease-table 8: a row that owns nothing goes at once, unless someone is at work on it", async () => {
      await using scene = await aScene(open);
      const idle = await scene.settled(WHEEL, { key: aKey("idle") });
      assert.equal(await scene.store.tombstone(idle.key, idle.declared.uid, scene.clock()), undefined);
      const busy = await scene.declare({ key: aKey("busy") });
      await scene.claim(busy);
      assert.ok(await scene.store.tombstone(busy.key, busy.declared.uid, scene.clock()));
      const left = await scene.store.byCluster("east");
      assert.deepEqual(
        left.map(({ key }) => key),
        [cleanupKey(busy.key, busy.declared.uid)],
      );
    });

    it("lease-table 8: a tombstone for another uid than the row's does nothing", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL, {}, { owned: [{ name: "db" }] });
      scene.writes();
      assert.equal(await scene.store.tombstone(row.key, "another", scene.clock()), undefined);
      assert.equal(scene.writes(), 0);
      assert.deepEqual(await scene.row(row.key), row);
    });

    it("lease-table 8: a declaration made anew under the same name tombstones the old one in the same step", async () => {
      await using scene = await aScene(open);
      const old = await scene.settled(WHEEL, { uid: "old" }, { owned: [{ name: "db", uid: "u" }], digest: "d" });
      const reborn = await scene.declare({ uid: "new" });
      assert.deepEqual([reborn.declared.uid, reborn.state.owned, reborn.state.digest], ["new", [], undefined]);
      assert.ok(reborn.fence > old.fence);
      const cleanup = await scene.row(cleanupKey(old.key, "old"));
      assert.deepEqual(cleanup.state.owned, [{ name: "db", uid: "u" }]);
      const third = await scene.declare({ uid: "third" });
      assert.equal(third.declared.uid, "third");
      assert.deepEqual(await scene.row(cleanup.key), cleanup);
      assert.equal((await scene.store.byCluster("east")).length, 2);
    });

    it("lease-table 8: what is tombstoned twice under one uid keeps all that it owned", async () => {
      await using scene = await aScene(open);
      for (const name of ["first", "second"]) {
        const row = await scene.settled(WHEEL, { uid: "u" }, { owned: [{ name }] });
        await scene.store.tombstone(row.key, "u", scene.clock());
      }
      const cleanup = await scene.row(cleanupKey(aKey(), "u"));
      assert.deepEqual(cleanup.state.owned, [{ name: "first" }, { name: "second" }]);
    });

    it("a clean-up that is nudged while it ends stays, and is due", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      await scene.store.nudge(lease.key, { now: scene.clock(), verify: false });
      assert.equal(await scene.settle(lease, { kind: "gone" }, { digest: "kept" }), "nudged");
      const row = await scene.row(lease.key);
      assert.deepEqual([row.state.digest, row.dueAt, row.wheel], ["kept", scene.clock(), undefined]);
    });

    it("lease-table 18: a released row is forgotten, without a clean-up", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL, {}, { owned: [{ name: "db" }], place: aPlace() });
      await scene.store.release(row.key);
      assert.deepEqual(await scene.store.byCluster("east"), []);
      assert.deepEqual(await scene.readers(), []);
      assert.deepEqual(await scene.store.onWheel("refresh", SLOT.period, 0, SLOT.period), []);
    });
  });
}
