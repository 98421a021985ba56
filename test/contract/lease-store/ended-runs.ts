import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import type { Lease } from "../../../lib/ports/store.ts";
import { aKey, anIssue } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, type Scene, SLOT, START } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;
const OWNED = [{ name: "db" }];

/** A run is at work on a row whose declaration goes: its lease, and the clean-up. */
async function tombstonedDuringRun(scene: Scene): Promise<{ readonly run: Lease; readonly cleanup: Row }> {
  const row = await scene.declare();
  const run = await scene.claim(row, OWNED);
  const due = await scene.store.tombstone(row.key, row.declared.uid, scene.clock());
  return { run, cleanup: await scene.row(due?.key ?? assert.fail("no clean-up")) };
}

/** The clean-up settles as one that waits until the end of the run's lease. */
const wait = (scene: Scene, lease: Lease, { state }: Row) =>
  scene.settle(lease, { kind: "due", at: state.busyUntil ?? assert.fail("it does not wait") }, state);

export function endedRunsContract(open: OpenStore): void {
  describe("the end of a run whose settle was lost", () => {
    it("lease-table 8: the clean-up that waits for it is due now, and waits no more", async () => {
      await using scene = await aScene(open);
      const { run, cleanup } = await tombstonedDuringRun(scene);
      assert.deepEqual([cleanup.state.busyUntil, cleanup.state.busyFence], [run.until, run.fence]);
      assert.equal(await wait(scene, await scene.claim(cleanup), cleanup), "settled");
      assert.equal((await scene.row(cleanup.key)).dueAt, run.until);
      scene.pass(1_000);
      assert.equal(await scene.settle(run, WHEEL), "lost");
      const due = await scene.store.endRun(run, scene.clock());
      assert.deepEqual(due, { key: cleanup.key, group: cleanup.declared.group, lane: "now", at: scene.clock() });
      const { state, dueAt } = await scene.row(cleanup.key);
      assert.deepEqual(
        [state.busyUntil, state.busyFence, state.owned, dueAt],
        [undefined, undefined, OWNED, scene.clock()],
      );
      assert.deepEqual(await scene.dueKeys(), [cleanup.key]);
      // As a client that repeats a request whose answer it did not get.
      scene.writes();
      assert.equal(await scene.store.endRun(run, scene.clock()), undefined);
      assert.equal(scene.writes(), 0);
      assert.equal(await scene.settle(await scene.claim(await scene.row(cleanup.key)), { kind: "gone" }), "settled");
    });

    it("lease-table 8: a clean-up that comes later does not wait, and one that failed is retried at its time", async () => {
      await using scene = await aScene(open);
      const { run, cleanup } = await tombstonedDuringRun(scene);
      assert.equal(await scene.store.endRun(run, scene.clock()), undefined, "it is due anyway");
      const { state, dueAt } = await scene.row(cleanup.key);
      assert.deepEqual([state.busyUntil, dueAt], [undefined, cleanup.dueAt]);
      const other = await tombstonedDuringRun(scene);
      const at = START + HOUR_MS;
      await scene.settle(await scene.claim(other.cleanup), { kind: "due", at }, other.cleanup.state);
      assert.equal(await scene.store.endRun(other.run, scene.clock()), undefined);
      assert.deepEqual([(await scene.row(cleanup.key)).dueAt], [at]);
    });

    for (const [when, isClaimed] of [
      ["at work on the row", true],
      ["about to claim the row that it read", false],
    ] as const) {
      it(`lease-table 8: a clean-up that is ${when} is due after its settle, and waits no more`, async () => {
        await using scene = await aScene(open);
        const { run, cleanup } = await tombstonedDuringRun(scene);
        const before = isClaimed ? await scene.claim(cleanup) : undefined;
        assert.equal(await scene.store.endRun(run, scene.clock()), undefined);
        const lease = before ?? (await scene.claim(cleanup));
        assert.equal(await wait(scene, lease, cleanup), "nudged");
        const { state, dueAt, leaseUntil } = await scene.row(cleanup.key);
        assert.deepEqual([state.busyUntil, state.busyFence, dueAt], [undefined, undefined, scene.clock()]);
        assert.deepEqual([state.owned, leaseUntil], [OWNED, undefined]);
      });
    }

    it("lease-table 8: it changes no other row", async () => {
      await using scene = await aScene(open);
      const other = await scene.settled(WHEEL, { key: aKey("other") }, { owned: [{ name: "other" }] });
      const { run, cleanup } = await tombstonedDuringRun(scene);
      await wait(scene, await scene.claim(cleanup), cleanup);
      assert.ok(await scene.store.endRun(run, scene.clock()));
      assert.deepEqual(await scene.row(other.key), other);
    });

    it("lease-table 8: the end of another run ends no wait, and writes nothing", async () => {
      await using scene = await aScene(open);
      const { run, cleanup } = await tombstonedDuringRun(scene);
      scene.writes();
      for (const other of [{ fence: run.fence - 1 }, { fence: run.fence + 1 }, { uid: "another" }]) {
        assert.equal(await scene.store.endRun({ ...run, ...other }, scene.clock()), undefined);
      }
      assert.equal(scene.writes(), 0);
      assert.deepEqual(await scene.row(cleanup.key), cleanup);
    });

    it("lease-table 4: it makes no row, and changes none whose declaration is there", async () => {
      await using scene = await aScene(open);
      const late = await scene.claim(await scene.declare());
      scene.pass(LEASE_MS);
      await scene.claim(await scene.row(late.key));
      const before = await scene.row(late.key);
      scene.writes();
      assert.equal(await scene.store.endRun(late, scene.clock()), undefined);
      assert.equal(scene.writes(), 0);
      assert.deepEqual(await scene.row(late.key), before);
      assert.equal((await scene.store.read([cleanupKey(late.key, late.uid)], "strong")).size, 0);
    });

    it("lease-table 8: after two runs only time ends the wait of their clean-up", async () => {
      await using scene = await aScene(open);
      const first = await tombstonedDuringRun(scene);
      scene.pass(1_000);
      const second = await tombstonedDuringRun(scene);
      assert.equal(second.cleanup.key, first.cleanup.key);
      for (const { run } of [first, second]) assert.equal(await scene.store.endRun(run, scene.clock()), undefined);
      const { state } = await scene.row(first.cleanup.key);
      assert.deepEqual([state.busyUntil, state.busyFence], [second.run.until, undefined]);
    });

    it("lease-table 8: of a declaration that came back and went again, the run at work is waited for", async () => {
      await using scene = await aScene(open);
      const { run, cleanup } = await tombstonedDuringRun(scene);
      const again = await scene.settled(WHEEL, {}, { owned: [{ name: "second" }] });
      await scene.store.tombstone(again.key, again.declared.uid, scene.clock());
      const { state } = await scene.row(cleanup.key);
      assert.deepEqual([state.busyUntil, state.busyFence], [run.until, run.fence]);
      await scene.store.endRun(run, scene.clock());
      assert.equal((await scene.row(cleanup.key)).state.busyUntil, undefined);
    });

    it("lease-table 28: a retired row keeps its time", async () => {
      await using scene = await aScene(open);
      const run = await scene.claim(await scene.settled(WHEEL, {}, { issues: [anIssue()] }));
      const until = START + HOUR_MS;
      await scene.store.retire(run.key, until, scene.clock());
      assert.equal(await scene.store.endRun(run, scene.clock()), undefined);
      const { state, dueAt } = await scene.row(cleanupKey(run.key, run.uid));
      assert.deepEqual([state.busyUntil, state.issues, dueAt], [undefined, [anIssue()], until]);
    });
  });
}
