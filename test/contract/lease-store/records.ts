import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS, SECOND_MS } from "../../../lib/clock.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import type { RowState } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { Lease } from "../../../lib/ports/store.ts";
import { aDeclared, aKey, anIssue, aPlace, aPushed, aReferenceKey } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, type Scene, SLOT } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;
const ASKING: RowState = { ...EMPTY_STATE, issues: [anIssue({ state: "asking" })] };

export function recordsContract(open: OpenStore): void {
  describe("records before and after what can't be repeated", () => {
    const record = (scene: Scene, lease: Lease, state = ASKING) => scene.store.record(lease, state, scene.clock());

    it("lease-table 26: a record stores the state, in one write, and leaves everything else as it is", async () => {
      await using scene = await aScene(open);
      const settled = await scene.settled(WHEEL, {}, { place: aPlace(), refs: [aReferenceKey()] });
      const claimed = await scene.claimed(settled);
      scene.writes();
      scene.pass(1_000);
      const state = { ...claimed.row.state, issues: [anIssue({ state: "asking" })], own: { attempts: 1 } };
      assert.equal(await record(scene, claimed.lease, state), "recorded");
      assert.equal(scene.writes(), 1);
      assert.deepEqual(await scene.row(settled.key), { ...claimed.row, state });
      assert.deepEqual(await scene.readers(), [settled.key]);
    });

    it("lease-table 26: a record stores what was pushed", async () => {
      await using scene = await aScene(open);
      const claimed = await scene.claimPush(await scene.declare(), [aPushed()]);
      assert.ok(claimed && "lease" in claimed);
      const state = { ...claimed.row.state, pushed: [aPushed("db", { version: 3 })] };
      assert.equal(await record(scene, claimed.lease, state), "recorded");
      assert.deepEqual((await scene.row(claimed.row.key)).state, state);
    });

    it("lease-table 26: references, waits and place change with the settle alone", async () => {
      await using scene = await aScene(open);
      const settled = await scene.settled(WHEEL, {}, { place: aPlace(), refs: [aReferenceKey()] });
      const { lease, row } = await scene.claimed(settled);
      const { state } = row;
      const moved = { ...state, place: aPlace("other"), refs: [], awaits: ["cause:X:1" as const] };
      assert.equal(await record(scene, lease, moved), "recorded");
      assert.deepEqual((await scene.row(row.key)).state, state);
      await scene.settle(lease, WHEEL, moved);
      assert.deepEqual(await scene.readers(), []);
      assert.deepEqual(await scene.readers("kv/other"), [row.key]);
      assert.deepEqual(await scene.referring("cause:X:1"), [row.key]);
      assert.deepEqual(await scene.referring(aReferenceKey()), []);
    });

    it("lease-table 26: several records and a settle of one lease follow each other", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      for (const state of ["asking", "got", "live"] as const) {
        const after = { ...EMPTY_STATE, issues: [anIssue({ state })] };
        assert.equal(await record(scene, lease, after), "recorded");
        assert.deepEqual((await scene.row(lease.key)).state.issues, after.issues);
      }
      assert.equal(await scene.settle(lease, WHEEL, { issues: [anIssue()] }), "settled");
      assert.deepEqual((await scene.row(lease.key)).state.issues, [anIssue()]);
    });

    it("lease-table 26: a record is lost after another claim", async () => {
      await using scene = await aScene(open);
      const late = await scene.claim(await scene.declare());
      scene.pass(LEASE_MS);
      await scene.claim(await scene.row(late.key));
      const before = await scene.row(late.key);
      scene.writes();
      assert.equal(await record(scene, late), "lost");
      assert.equal(scene.writes(), 0);
      assert.deepEqual(await scene.row(late.key), before);
    });

    it("lease-table 26: a record is lost once the lease has ended, also when nobody else claimed", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      scene.pass(LEASE_MS - 1);
      assert.equal(await record(scene, lease), "recorded");
      scene.pass(1);
      assert.equal(await record(scene, lease), "lost");
      const next = await scene.claim(await scene.row(lease.key));
      await scene.settle(next, WHEEL);
      assert.equal(await record(scene, next), "lost");
    });

    it("lease-table 26: a record is lost after a tombstone, and of a row that was born again", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      await scene.store.tombstone(lease.key, lease.uid, scene.clock());
      assert.equal(await record(scene, lease), "lost");
      await scene.declare({ uid: "born-again" });
      assert.equal(await record(scene, lease), "lost");
      assert.equal((await scene.row(lease.key)).state.issues, undefined);
      const reborn = await scene.claim(await scene.row(lease.key));
      assert.equal(await record(scene, { ...reborn, uid: lease.uid }), "lost");
    });

    it("lease-table 26: a nudge between claim and record is still seen by settle", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.settled(WHEEL));
      await scene.store.nudge(lease.key, { now: scene.clock(), verify: true });
      assert.equal(await record(scene, lease), "recorded");
      assert.equal(await scene.settle(lease, WHEEL), "nudged");
      const row = await scene.row(lease.key);
      assert.deepEqual([row.dueAt, row.verify], [scene.clock(), true]);
    });

    it("lease-table 26: a declaration between claim and record is not overwritten", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      const changed = aDeclared({ hash: "changed", generation: 2 });
      await scene.store.declare(changed, scene.clock());
      assert.equal(await record(scene, lease), "recorded");
      const row = await scene.row(lease.key);
      assert.deepEqual(row.declared, changed);
      assert.deepEqual(row.state.issues, ASKING.issues);
      assert.equal(await scene.settle(lease, WHEEL, ASKING), "nudged");
    });

    it("lease-table 28: who claims after a crash finds what was recorded", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      await record(scene, lease);
      scene.pass(LEASE_MS);
      const next = await scene.claimed(await scene.row(lease.key));
      assert.deepEqual(next.row.state.issues, ASKING.issues);
      assert.deepEqual(next.lease.state, next.row.state);
    });

    it("lease-table 28: who claims with a row that was read before the record finds what was recorded all the same", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      const readMeanwhile = await scene.row(lease.key);
      await record(scene, lease, { ...ASKING, owned: [{ name: "recorded" }] });
      scene.pass(LEASE_MS);
      const options = { now: scene.clock(), until: scene.clock() + LEASE_MS, owned: [{ name: "new" }] };
      const next = await scene.store.claim(readMeanwhile, options);
      assert.deepEqual(next?.row.state.issues, ASKING.issues);
      assert.deepEqual(
        next?.row.state.owned.map(({ name }) => name),
        ["recorded", "new"],
      );
    });

    it("lease-table 28: of a record and the end of a declaration at once none loses what the other says", async () => {
      await using scene = await aScene(open);
      for (let n = 0; n < 20; n++) {
        const lease = await scene.claim(await scene.declare({ key: aKey(`n${n}`) }));
        const [outcome] = await Promise.all([
          record(scene, lease),
          scene.store.tombstone(lease.key, lease.uid, scene.clock()),
        ]);
        const { issues } = (await scene.row(cleanupKey(lease.key, lease.uid))).state;
        assert.deepEqual(issues, outcome === "recorded" ? ASKING.issues : undefined, `${n}: ${outcome}`);
      }
    });

    it("lease-table 28: a settle that would forget an issue throws, and changes nothing", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      await record(scene, lease);
      await assert.rejects(scene.settle(lease, { kind: "gone" }, ASKING), /can't be forgotten/);
      assert.deepEqual((await scene.row(lease.key)).state.issues, ASKING.issues);
    });

    it("lease-table 30: settle drops an expectation that was reached, or is 30 s old, and keeps a higher one", async () => {
      await using scene = await aScene(open);
      const { key } = await scene.settled(WHEEL);
      const expect = (version: number) =>
        scene.store.nudge(key, { now: scene.clock(), verify: false, expect: { version } });
      scene.pass(HOUR_MS);
      await expect(7);
      const settleWith = async (reached: number | undefined) => {
        const lease = await scene.claim(await scene.row(key));
        const settlement = { state: EMPTY_STATE, schedule: WHEEL, now: scene.clock() };
        await scene.store.settle(lease, reached === undefined ? settlement : { ...settlement, reached });
        return (await scene.row(key)).expect?.version;
      };
      assert.equal(await settleWith(undefined), 7);
      assert.equal(await settleWith(6), 7);
      assert.equal(await settleWith(7), undefined);
      scene.pass(10 * SECOND_MS);
      await expect(9);
      scene.pass(30 * SECOND_MS - 1);
      assert.equal(await settleWith(8), 9);
      scene.pass(1);
      assert.equal(await settleWith(8), undefined);
    });

    it("lease-table 30: what is expected while the row is claimed, and reached by that run, is over", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.settled(WHEEL));
      await scene.store.nudge(lease.key, { now: scene.clock(), verify: false, expect: { version: 4 } });
      const settlement = { state: EMPTY_STATE, schedule: WHEEL, reached: 4, now: scene.clock() };
      assert.equal(await scene.store.settle(lease, settlement), "nudged");
      assert.equal((await scene.row(lease.key)).expect, undefined);
    });

    it("lease-table 2: a settle that finds a nudge leaves the row due now, in the lane of events", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.settled(WHEEL));
      await scene.store.nudge(lease.key, { now: scene.clock(), verify: false });
      assert.equal(await scene.settle(lease, { kind: "parked" }), "nudged");
      const until = scene.clock();
      // Also for a tick that looks ahead, or whose clock is behind.
      const [due] = await scene.store.due({ after: 0, until, now: until - 1 }, 10);
      assert.deepEqual([due?.key, due?.lane, due?.at], [lease.key, "now", until]);
    });

    it("lease-table 30: what is expected while the row is claimed outlives that settle", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.settled(WHEEL));
      await scene.store.nudge(lease.key, { now: scene.clock(), verify: false, expect: { version: 4 } });
      const settlement = { state: EMPTY_STATE, schedule: WHEEL, reached: 3, now: scene.clock() };
      assert.equal(await scene.store.settle(lease, settlement), "nudged");
      assert.deepEqual((await scene.row(lease.key)).expect, { version: 4, at: scene.clock() });
    });
  });
}
