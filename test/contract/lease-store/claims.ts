import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import { aDeclared, aKey, aRow } from "../../builders.ts";
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

    it("lease-table 1: what is done under a lease touches no other row, though it has the same uid and fence", async () => {
      await using scene = await aScene(open);
      const [one, other] = [aKey("one"), aKey("other")];
      const lease = await scene.claim(await scene.declare({ key: one, uid: "same" }));
      await scene.claim(await scene.declare({ key: other, uid: "same" }));
      const before = await scene.row(other);
      await scene.store.record(lease, { ...lease.state, rolledDigest: "recorded" }, scene.clock());
      assert.equal((await scene.row(one)).state.rolledDigest, "recorded");
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
