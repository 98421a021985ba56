import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import { aDeclared, aKey, aPushed, aReferenceKey, aRow } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, SLOT, START } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;

export function claimsContract(open: OpenStore): void {
  describe("claims and fences", () => {
    it("lease-table 1: of two who claim after the same read one gets the lease", async () => {
      await using scene = await aScene(open);
      const read = await scene.declare();
      const options = { now: scene.clock(), until: scene.clock() + LEASE_MS };
      const claims = await Promise.all([scene.store.claim(read, options), scene.store.claim(read, options)]);
      assert.equal(claims.filter((claim) => claim !== undefined).length, 1);
      assert.equal((await scene.row(read.key)).fence, read.fence + 1);
    });

    it("lease-table 1: a claim is refused when someone claimed and settled since the row was read", async () => {
      await using scene = await aScene(open);
      const read = await scene.declare();
      await scene.settle(await scene.claim(await scene.row(read.key)), WHEEL);
      await assert.rejects(scene.claim(read), /not claimed/);
    });

    it("lease-table 1: a claim is refused when the row was read under a lease that was settled since", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      const readMeanwhile = await scene.row(lease.key);
      await scene.settle(lease, WHEEL);
      await assert.rejects(scene.claim(readMeanwhile), /not claimed/);
      scene.pass(LEASE_MS);
      await assert.rejects(scene.claim(readMeanwhile), /not claimed/, "nor when that lease would be over");
    });

    it("lease-table 1: nobody else gets the lease while it lasts, however often they read", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      scene.pass(LEASE_MS - 1);
      await assert.rejects(scene.claim(await scene.row(lease.key)), /not claimed/);
      scene.pass(1);
      assert.equal((await scene.claim(await scene.row(lease.key))).fence, lease.fence + 1);
    });

    it("lease-table 1: a claim answers the row as it stands after, also one that was declared anew since the read", async () => {
      await using scene = await aScene(open);
      const read = await scene.declare();
      const changed = aDeclared({ hash: "another", generation: 2 });
      await scene.store.declare(changed, scene.clock());
      const claimed = await scene.store.claim(read, { now: scene.clock(), until: scene.clock() + LEASE_MS });
      assert.deepEqual(claimed?.row, await scene.row(read.key));
      assert.deepEqual(claimed?.row.declared, changed);
      assert.equal(await scene.settle(claimed?.lease ?? assert.fail(), WHEEL), "nudged");
    });

    it("lease-table 1: a claim answers the row as it stands after, also one that was nudged since the read", async () => {
      await using scene = await aScene(open);
      const read = await scene.settled(WHEEL);
      scene.pass(HOUR_MS);
      await scene.store.nudge(read.key, { now: scene.clock(), verify: true, expect: { version: 4 } });
      const claimed = await scene.claimed(read);
      assert.deepEqual(claimed.row, await scene.row(read.key));
      assert.deepEqual([claimed.row.verify, claimed.lease.expect?.version], [true, 4]);
    });

    it("a claim hands on the declaration that was read, unless it changed: it is not parsed again", async () => {
      await using scene = await aScene(open);
      const read = await scene.declare();
      assert.equal((await scene.claimed(read)).row.declared, read.declared);
    });

    it("lease-table 1: what is done under a lease touches no other row, though it has the same uid and fence", async () => {
      await using scene = await aScene(open);
      const [one, other] = [aKey("one"), aKey("other")];
      const lease = await scene.claim(await scene.declare({ key: one, uid: "same" }));
      const second = await scene.claim(await scene.declare({ key: other, uid: "same" }));
      for (const each of [lease, second]) {
        const state = { ...each.state, rolledDigest: `of ${each.key}` };
        assert.equal(await scene.store.record(each, state, scene.clock()), "recorded");
      }
      for (const key of [one, other]) assert.equal((await scene.row(key)).state.rolledDigest, `of ${key}`);
      const before = await scene.row(other);
      assert.equal(await scene.settle({ ...lease, uid: "another" }, { kind: "gone" }), "lost");
      assert.equal(await scene.settle(lease, { kind: "gone" }), "settled");
      assert.deepEqual(await scene.row(other), before);
      await assert.rejects(scene.row(one), /no row/);
    });

    it("lease-table 2: nudges as seen are those of the row that was read, not of the claim", async () => {
      await using scene = await aScene(open);
      const read = await scene.settled(WHEEL);
      scene.pass(HOUR_MS);
      await scene.store.nudge(read.key, { now: scene.clock(), verify: false });
      const lease = await scene.claim(read);
      assert.equal(lease.nudges, read.nudges);
      assert.equal(await scene.settle(lease, WHEEL), "nudged");
    });

    it("lease-table 3: a claimer that dies leaves a row that comes back by itself at leaseUntil", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.settled(WHEEL));
      const claimed = await scene.row(lease.key);
      assert.equal(claimed.dueAt, claimed.leaseUntil);
      assert.equal(claimed.leaseUntil, lease.until);
      scene.pass(LEASE_MS - 1);
      assert.deepEqual(await scene.dueKeys(lease.until), []);
      scene.pass(1);
      assert.deepEqual(await scene.dueKeys(), [lease.key]);
      assert.ok(await scene.claim(await scene.row(lease.key)));
    });

    it("lease-table 3: a refresh whose claimer dies comes back as new work", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.settled({ ...WHEEL, dueAt: START + LEASE_MS }));
      const { declared } = await scene.row(lease.key);
      scene.pass(LEASE_MS);
      const due = await scene.store.due({ after: 0, until: scene.clock(), now: scene.clock() }, 9);
      assert.deepEqual(due, [{ key: lease.key, group: declared.group, lane: "now", at: lease.until }]);
    });

    it("settle keeps the time of it, and a refresh slot that was dispatched already stays in its lane", async () => {
      await using scene = await aScene(open);
      const { declared } = await scene.declare();
      scene.pass(1_000);
      const row = await scene.settled({ ...WHEEL, dueAt: START + 5_000 });
      assert.equal(row.state.settledAt, START + 1_000);
      assert.deepEqual([row.wheel, row.dueAt], [SLOT, START + 5_000]);
      scene.pass(4_000);
      assert.deepEqual(await scene.store.due({ after: 0, until: scene.clock(), now: scene.clock() }, 9), [
        { key: row.key, group: declared.group, lane: "refresh", at: START + 5_000 },
      ]);
      const later = await scene.settled({ kind: "due", at: START + 6_000 }, { hash: "changed" });
      assert.deepEqual([later.state.settledAt, later.wheel, later.dueAt], [START + 5_000, undefined, START + 6_000]);
      scene.pass(1_000);
      assert.equal((await scene.store.due({ after: 0, until: scene.clock(), now: scene.clock() }, 9))[0]?.lane, "now");
    });

    it("lease-table 3: settle replaces or removes what the claim wrote", async () => {
      await using scene = await aScene(open);
      const again = await scene.settled({ kind: "due", at: START + HOUR_MS }, { key: aKey("again") });
      assert.deepEqual([again.dueAt, again.leaseUntil, again.wheel], [START + HOUR_MS, undefined, undefined]);
      const refreshed = await scene.settled(WHEEL, { key: aKey("refreshed") });
      assert.deepEqual([refreshed.dueAt, refreshed.leaseUntil, refreshed.wheel], [undefined, undefined, SLOT]);
      const parked = await scene.settled({ kind: "parked" }, { key: aKey("parked") });
      assert.deepEqual([parked.dueAt, parked.leaseUntil, parked.wheel], [undefined, undefined, undefined]);
      assert.deepEqual(await scene.dueKeys(START + 2 * HOUR_MS), [again.key]);
    });

    it("lease-table 4: a settle that comes late is lost, and stores nothing", async () => {
      await using scene = await aScene(open);
      const late = await scene.claim(await scene.declare());
      scene.pass(LEASE_MS);
      const other = await scene.claim(await scene.row(late.key));
      const before = await scene.row(late.key);
      assert.equal(await scene.settle(late, WHEEL, { digest: "late" }), "lost");
      assert.deepEqual(await scene.row(late.key), before);
      assert.equal(await scene.settle(other, WHEEL, { digest: "in time" }), "settled");
      assert.equal(await scene.settle(late, { kind: "gone" }), "lost");
      assert.equal((await scene.row(late.key)).state.digest, "in time");
    });

    it("a settle that removes the row leaves no reference of its state; one that is nudged keeps the row and them", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      await scene.store.nudge(lease.key, { now: scene.clock(), verify: false });
      const state = { refs: [aReferenceKey()], digest: "d" };
      assert.equal(await scene.settle(lease, { kind: "gone" }, state), "nudged");
      const row = await scene.row(lease.key);
      assert.deepEqual([row.state.digest, row.dueAt, row.leaseUntil], ["d", scene.clock(), undefined]);
      assert.deepEqual(await scene.referring(aReferenceKey()), [lease.key]);
      const more = { refs: [aReferenceKey(), aReferenceKey("another")] };
      assert.equal(await scene.settle(await scene.claim(row), { kind: "gone" }, more), "settled");
      for (const ref of more.refs) assert.deepEqual(await scene.referring(ref), []);
    });

    it("lease-table 4: a settle that is lost leaves references as they are", async () => {
      await using scene = await aScene(open);
      const late = await scene.claim(await scene.settled(WHEEL, {}, { refs: [aReferenceKey()] }));
      scene.pass(LEASE_MS);
      await scene.claim(await scene.row(late.key));
      assert.equal(await scene.settle(late, WHEEL, { refs: [aReferenceKey("another")] }), "lost");
      assert.deepEqual(await scene.referring(aReferenceKey()), [late.key]);
      assert.deepEqual(await scene.referring(aReferenceKey("another")), []);
    });

    it("lease-table 4: a settle after leaseUntil counts as long as nobody else claimed", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      scene.pass(10 * LEASE_MS);
      assert.equal(await scene.settle(lease, WHEEL), "settled");
      // As a client that repeats a request whose answer it did not get.
      assert.equal(await scene.settle(lease, WHEEL), "settled");
    });

    it("lease-table 4: an old worker settles nothing on a row that was born again under another uid", async () => {
      await using scene = await aScene(open);
      const read = await scene.declare();
      const old = await scene.claim(read);
      await scene.declare({ uid: "born-again" });
      const reborn = await scene.row(read.key);
      assert.equal(await scene.settle(old, WHEEL, { digest: "of another life" }), "lost");
      assert.equal(await scene.settle({ ...old, fence: reborn.fence }, WHEEL), "lost");
      await assert.rejects(scene.claim({ ...reborn, declared: read.declared }), /not claimed/);
      assert.deepEqual(await scene.row(read.key), reborn);
    });

    it("lease-table 4: nudge, claim, settle, tombstone and release of a row that is not there make none", async () => {
      await using scene = await aScene(open);
      const row = aRow();
      const times = { now: scene.clock(), until: scene.clock() + LEASE_MS };
      const lease = {
        key: row.key,
        uid: row.declared.uid,
        fence: row.fence,
        until: times.until,
        nudges: 0,
        state: row.state,
      };
      assert.equal(await scene.store.nudge(row.key, { now: times.now, verify: true }), undefined);
      assert.equal(await scene.store.claim(row, times), undefined);
      assert.equal(await scene.store.claim({ ...row, leaseUntil: times.now }, times), undefined);
      assert.equal(await scene.store.claimPush(row, { ...times, pushed: [aPushed()] }), undefined);
      assert.equal(await scene.settle(lease, WHEEL), "lost");
      assert.equal(await scene.settle(lease, { kind: "gone" }), "lost");
      assert.equal(await scene.store.tombstone(row.key, row.declared.uid, times.now), undefined);
      await scene.store.release(row.key);
      assert.equal((await scene.store.read([row.key], "strong")).size, 0);
      assert.equal(scene.writes(), 0);
    });

    it("lease-table 4: a new row's fence starts at the wall clock, above that of the row before it", async () => {
      await using scene = await aScene(open);
      const first = await scene.declare();
      assert.equal(first.fence, START);
      const lease = await scene.claim(first);
      scene.pass(-HOUR_MS);
      const second = await scene.declare({ uid: "another" });
      assert.ok(second.fence > lease.fence);
    });

    it("a clock that steps back keeps leases and fences in force", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      scene.pass(-HOUR_MS);
      await assert.rejects(scene.claim(await scene.row(lease.key)), /not claimed/);
      assert.equal(await scene.settle(lease, WHEEL), "settled");
      const next = await scene.claim(await scene.row(lease.key));
      assert.equal(next.fence, lease.fence + 1);
    });
  });
}
