import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OwnedSecret, Row } from "../../../lib/ports/rows.ts";
import { aKey, aPushed } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, type Scene, SLOT } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;

async function claim(scene: Scene, row: Row, owned?: readonly OwnedSecret[]) {
  const options = { now: scene.clock(), until: scene.clock() + LEASE_MS, pushed: [aPushed()] };
  const claimed = await scene.store.claimPush(row, owned === undefined ? options : { ...options, owned });
  assert.ok(claimed === undefined || "lease" in claimed, "nobody else has the path");
  return claimed;
}

/** A claim with paths is a claim like any other. */
export function pushClaimsContract(open: OpenStore): void {
  describe("claims with paths", () => {
    it("lease-table 31: the row has the paths, the names, a new fence and the end of its lease", async () => {
      await using scene = await aScene(open);
      const read = await scene.settled(WHEEL, {}, { owned: [{ name: "known", uid: "u" }] });
      const { lease, row } = (await claim(scene, read, [{ name: "known" }, { name: "new" }])) ?? assert.fail();
      const until = scene.clock() + LEASE_MS;
      const state = { ...read.state, owned: [{ name: "known", uid: "u" }, { name: "new" }], pushed: [aPushed()] };
      assert.deepEqual(row, { ...read, state, fence: read.fence + 1, leaseUntil: until, dueAt: until });
      assert.deepEqual(await scene.row(read.key), row);
      const { key, nudges } = read;
      assert.deepEqual(lease, { key, uid: read.declared.uid, fence: read.fence + 1, until, nudges, state });
    });

    it("lease-table 1: is refused while somebody else has the lease, and after they settled", async () => {
      await using scene = await aScene(open);
      const read = await scene.declare();
      const { lease } = (await claim(scene, read)) ?? assert.fail();
      const readMeanwhile = await scene.row(read.key);
      assert.equal(await claim(scene, readMeanwhile), undefined);
      await scene.settle(lease, WHEEL);
      assert.equal(await claim(scene, read), undefined);
      scene.pass(LEASE_MS);
      assert.equal(await claim(scene, readMeanwhile), undefined);
      assert.deepEqual(await scene.readers(), []);
    });

    it("lease-table 3: of a worker that dies another one gets it at the end of the lease, as new work", async () => {
      await using scene = await aScene(open);
      const { lease } = (await claim(scene, await scene.settled(WHEEL))) ?? assert.fail();
      scene.pass(LEASE_MS - 1);
      assert.deepEqual(await scene.dueKeys(lease.until), []);
      scene.pass(1);
      assert.deepEqual(await scene.dueKeys(), [lease.key]);
      const next = (await claim(scene, await scene.row(lease.key))) ?? assert.fail();
      assert.equal(next.lease.fence, lease.fence + 1);
      assert.equal(await scene.settle(lease, WHEEL), "lost");
      assert.equal(await scene.settle(next.lease, WHEEL), "settled");
    });

    it("lease-table 4: is refused of a row that was declared anew under another uid", async () => {
      await using scene = await aScene(open);
      const read = await scene.declare();
      await scene.declare({ uid: "born-again" });
      const reborn = await scene.row(read.key);
      assert.equal(await claim(scene, { ...reborn, declared: read.declared }), undefined);
      assert.deepEqual(await scene.row(read.key), reborn);
    });

    it("lease-table 9: while it is claimed the first nudge is written, and no other", async () => {
      await using scene = await aScene(open);
      const { lease } = (await claim(scene, await scene.settled(WHEEL))) ?? assert.fail();
      const nudge = () => scene.store.nudge(lease.key, { now: scene.clock(), verify: false });
      scene.writes();
      assert.equal((await nudge())?.at, lease.until);
      assert.equal(scene.writes(), 1);
      assert.equal(await nudge(), undefined);
      assert.equal(scene.writes(), 0);
      assert.equal(await scene.settle(lease, WHEEL), "nudged");
    });

    it("lease-table 2: a nudge between the read and the claim is seen by settle", async () => {
      await using scene = await aScene(open);
      const read = await scene.settled(WHEEL);
      await scene.store.nudge(read.key, { now: scene.clock(), verify: true });
      const { lease, row } = (await claim(scene, read)) ?? assert.fail();
      assert.deepEqual(row, await scene.row(read.key));
      assert.equal(row.verify, true);
      scene.writes();
      assert.equal(await scene.store.nudge(lease.key, { now: scene.clock(), verify: false }), undefined);
      assert.equal(scene.writes(), 0);
      assert.equal(await scene.settle(lease, WHEEL), "nudged");
    });

    it("lease-table 31: a path that a record left out is its row's until a settle, and free after one, even if that worker died", async () => {
      await using scene = await aScene(open);
      const [db, more] = [aPushed(), aPushed("more")];
      const { key } = await scene.settled(WHEEL, {}, { pushed: [db, more] });
      const rival = await scene.declare({ key: aKey("rival") });
      const rivals = async (path = db) => {
        const claimed = (await scene.claimPush(await scene.row(rival.key), [path])) ?? assert.fail();
        return "taken" in claimed ? claimed.by : "free";
      };
      const dead = await scene.claimed(await scene.row(key));
      await scene.store.record(dead.lease, { ...dead.row.state, pushed: [more] }, scene.clock());
      assert.equal(await rivals(), key);
      scene.pass(LEASE_MS);
      assert.equal(await rivals(), key);
      const next = await scene.claimed(await scene.row(key));
      await scene.settle(next.lease, WHEEL, { pushed: [more] });
      assert.equal(await rivals(more), key);
      assert.equal(await rivals(), "free");
      assert.deepEqual(await scene.readers(), [rival.key]);
      assert.deepEqual(await scene.readers("kv/more"), [key]);
    });
  });
}
