import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import { isNudged } from "../../../lib/ports/rows.ts";
import { aKey, anIssue } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, SLOT } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;

export function nudgesContract(open: OpenStore): void {
  describe("nudges", () => {
    it("lease-table 9: a nudge makes a row due now, and leaves its refresh slot on the wheel", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL);
      scene.pass(HOUR_MS);
      const due = await scene.store.nudge(row.key, { now: scene.clock(), verify: false });
      assert.deepEqual(due, { key: row.key, group: row.declared.group, lane: "now", at: scene.clock() });
      const after = await scene.row(row.key);
      assert.deepEqual(after, { ...row, nudges: row.nudges + 1, dueAt: scene.clock() });
    });

    it("lease-table 9: a row starts at most once in 2 s by nudges", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL);
      const settledAt = scene.clock();
      scene.pass(500);
      assert.equal((await scene.store.nudge(row.key, { now: scene.clock(), verify: false }))?.at, settledAt + 2_000);
      assert.deepEqual(await scene.dueKeys(), []);
      scene.pass(1_500);
      assert.deepEqual(await scene.dueKeys(), [row.key]);
    });

    it("lease-table 9: one for a Secret that another program changes again and again waits as long as it asks for", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL);
      const settledAt = scene.clock();
      scene.pass(3_000);
      const nudge = async (more: object) =>
        (await scene.store.nudge(row.key, { now: scene.clock(), verify: true, ...more }))?.at;
      assert.equal(await nudge({ gapMs: 60_000 }), settledAt + 60_000);
      assert.equal(await nudge({ gapMs: 60_000 }), undefined, "it comes anyway");
      assert.equal(await nudge({}), scene.clock(), "any other one does not wait");
    });

    it("lease-table 9: what is missing is made anew at once, however short ago the row was settled", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL);
      scene.pass(500);
      await scene.store.nudge(row.key, { now: scene.clock(), verify: false });
      const due = await scene.store.nudge(row.key, { now: scene.clock(), verify: true, atOnce: true });
      assert.equal(due?.at, scene.clock());
      assert.deepEqual(await scene.dueKeys(), [row.key]);
      assert.equal((await scene.row(row.key)).verify, true);
    });

    it("lease-table 9: a row that is due and unclaimed already is left alone", async () => {
      await using scene = await aScene(open);
      const row = await scene.declare();
      scene.writes();
      assert.equal(await scene.store.nudge(row.key, { now: scene.clock(), verify: false }), undefined);
      assert.equal(scene.writes(), 0);
    });

    it("lease-table 9: one that has been due for long, since it waited for an end out of reach, is sent again unwritten", async () => {
      await using scene = await aScene(open);
      const row = await scene.declare();
      scene.pass(11_000);
      scene.writes();
      const due = await scene.store.nudge(row.key, { now: scene.clock(), verify: false });
      assert.deepEqual(due, { key: row.key, group: row.declared.group, lane: "now", at: scene.clock() });
      assert.equal(scene.writes(), 0);
    });

    it("lease-table 9: a row with issues keeps it once, since it may be due for the end of one of them alone", async () => {
      await using scene = await aScene(open);
      const dueAt = scene.clock() + HOUR_MS;
      const row = await scene.settled({ kind: "due", at: dueAt }, {}, { issues: [anIssue({ state: "ending" })] });
      assert.equal(isNudged(row), false);
      scene.pass(HOUR_MS + 500);
      scene.writes();
      for (let times = 0; times < 3; times++)
        assert.equal(await scene.store.nudge(row.key, { now: scene.clock(), verify: false }), undefined);
      assert.equal(scene.writes(), 1);
      const nudged = await scene.row(row.key);
      assert.deepEqual([nudged.dueAt, isNudged(nudged)], [dueAt, true]);
      await scene.store.nudge(row.key, { now: scene.clock(), verify: false, isOfReference: true });
      const { row: claimed } = await scene.claimed(await scene.row(row.key));
      assert.equal(isNudged(claimed), false);
      assert.equal(isNudged(await scene.row(row.key)), false);
    });

    it("lease-table 9: the wish to verify is kept even then", async () => {
      await using scene = await aScene(open);
      const row = await scene.declare();
      assert.equal(await scene.store.nudge(row.key, { now: scene.clock(), verify: true }), undefined);
      assert.equal((await scene.row(row.key)).verify, true);
      scene.writes();
      assert.equal(await scene.store.nudge(row.key, { now: scene.clock(), verify: true }), undefined);
      assert.equal(scene.writes(), 0);
    });

    it("the wish to verify stays when others nudge without it", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL);
      for (const verify of [true, false]) await scene.store.nudge(row.key, { now: scene.clock(), verify });
      const after = await scene.row(row.key);
      assert.deepEqual([after.verify, after.nudges], [true, row.nudges + 1]);
    });

    it("the wish to verify stays when another nudge wants the row at once", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL);
      await scene.store.nudge(row.key, { now: scene.clock(), verify: true });
      await scene.store.nudge(row.key, { now: scene.clock(), verify: false, atOnce: true });
      const after = await scene.row(row.key);
      assert.deepEqual([after.verify, after.dueAt, after.nudges], [true, scene.clock(), row.nudges + 2]);
    });

    it("lease-table 9: a nudge brings a later time forward, and never puts an earlier one off", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled({ kind: "due", at: scene.clock() + HOUR_MS });
      scene.pass(10_000);
      assert.equal((await scene.store.nudge(row.key, { now: scene.clock(), verify: false }))?.at, scene.clock());
      const lease = await scene.claim(await scene.row(row.key));
      const soon = scene.clock() + 300;
      await scene.settle(lease, { kind: "due", at: soon });
      await scene.store.nudge(row.key, { now: scene.clock(), verify: false });
      assert.equal((await scene.row(row.key)).dueAt, soon);
    });

    it("lease-table 2: a nudge during work is not lost: settle stores the state and leaves the row due", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      const due = await scene.store.nudge(lease.key, { now: scene.clock(), verify: true });
      assert.equal(due?.at, lease.until);
      assert.equal((await scene.row(lease.key)).dueAt, lease.until);
      scene.pass(1_000);
      assert.equal(await scene.settle(lease, WHEEL, { digest: "d" }), "nudged");
      const row = await scene.row(lease.key);
      assert.deepEqual([row.state.digest, row.dueAt, row.leaseUntil], ["d", scene.clock(), undefined]);
      assert.deepEqual([row.wheel, row.verify], [SLOT, true]);
      assert.equal(await scene.settle(await scene.claim(row), WHEEL), "settled");
      assert.deepEqual([(await scene.row(row.key)).dueAt, (await scene.row(row.key)).verify], [undefined, false]);
    });

    it("a settle that was nudged off the wheel stays off it, and is due now all the same", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.settled(WHEEL));
      await scene.store.nudge(lease.key, { now: scene.clock(), verify: false });
      assert.equal(await scene.settle(lease, { kind: "due", at: scene.clock() + HOUR_MS }), "nudged");
      const row = await scene.row(lease.key);
      assert.deepEqual([row.wheel, row.dueAt], [undefined, scene.clock()]);
    });

    it("a row whose lease ran out counts as unclaimed: it is due, and a nudge adds nothing", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      scene.pass(LEASE_MS);
      scene.writes();
      assert.equal(await scene.store.nudge(lease.key, { now: scene.clock(), verify: false }), undefined);
      assert.equal(scene.writes(), 0);
      assert.deepEqual(await scene.dueKeys(), [lease.key]);
    });

    it("lease-table 9: 10,000 nudges of one row are 2 writes: one while it waits, one while it is claimed", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL);
      const nudge = (times: number) =>
        Promise.all(
          Array.from({ length: times }, () => scene.store.nudge(row.key, { now: scene.clock(), verify: false })),
        );
      scene.writes();
      await nudge(500);
      assert.equal(scene.writes(), 1);
      const lease = await scene.claim(await scene.row(row.key));
      scene.writes();
      await nudge(500);
      assert.equal(scene.writes(), 1);
      assert.equal(await scene.settle(lease, WHEEL), "nudged");
      scene.writes();
      const keys = Array.from({ length: 9_000 }, () => row.key);
      assert.deepEqual(await scene.store.nudgeAll(keys, { now: scene.clock(), verify: false }), []);
      assert.equal(scene.writes(), 0);
    });

    it("nudges many rows, each once, and leaves out those that are not there or are due already", async () => {
      await using scene = await aScene(open);
      const keys = Array.from({ length: 130 }, (_, n) => aKey(`n${n}`));
      for (const key of keys.slice(0, 120)) await scene.settled(WHEEL, { key });
      for (const key of keys.slice(120, 125)) await scene.declare({ key });
      scene.pass(HOUR_MS);
      await scene.declare({ key: aKey("fresh") });
      scene.writes();
      const due = await scene.store.nudgeAll([...keys, ...keys, aKey("fresh")], { now: scene.clock(), verify: false });
      // Those that were declared an hour ago have waited for long, and are sent again unwritten.
      assert.deepEqual(due.map(({ key }) => key).toSorted(), keys.slice(0, 125).toSorted());
      assert.equal(scene.writes(), 120);
    });

    it("lease-table 30: the highest version that a nudge saw is kept, also when the row is due already", async () => {
      await using scene = await aScene(open);
      const { key } = await scene.declare();
      const nudge = (version: number) =>
        scene.store.nudge(key, { now: scene.clock(), verify: false, expect: { version } });
      scene.writes();
      for (const version of [3, 5, 4, 5]) assert.equal(await nudge(version), undefined);
      assert.equal(scene.writes(), 2);
      assert.deepEqual((await scene.row(key)).expect, { version: 5, at: scene.clock() });
      const lease = await scene.claim(await scene.row(key));
      assert.deepEqual(lease.expect, { version: 5, at: scene.clock() });
      await nudge(9);
      await nudge(6);
      assert.equal((await scene.row(key)).expect?.version, 9);
    });

    it("lease-table 30: what was expected 30 s ago gives way to a lower version; and it is dropped when versions begin anew", async () => {
      await using scene = await aScene(open);
      const { key } = await scene.declare();
      const nudge = (expect: { readonly version: number } | "forget") =>
        scene.store.nudge(key, { now: scene.clock(), verify: false, expect });
      await nudge({ version: 9 });
      scene.pass(30_000);
      await nudge({ version: 2 });
      assert.deepEqual((await scene.row(key)).expect, { version: 2, at: scene.clock() });
      await nudge("forget");
      assert.equal((await scene.row(key)).expect, undefined);
    });

    it("a parked row wakes when it is nudged", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled({ kind: "parked" });
      scene.pass(HOUR_MS);
      await scene.store.nudge(row.key, { now: scene.clock(), verify: false });
      assert.deepEqual(await scene.dueKeys(), [row.key]);
    });
  });
}
