import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { secretSearch } from "../../../lib/discovery/secret-search.ts";
import { SyncError } from "../../../lib/errors.ts";
import { OWNER_UID_LABEL } from "../../../lib/owner-labels.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";
import { aSeen } from "./a-seen.ts";

const START = Date.UTC(2030, 0, 1);

/** A search over one row that has written the Secret `db`. */
async function aScene() {
  const store = simulatedSqliteStore(undefined);
  const world = { now: START, takesMs: 0, reads: 0, woken: [] as string[], fails: undefined as Error | undefined };
  const found: string[] = [];
  const leases = {
    ...store,
    async byCluster(cluster: string) {
      world.reads += 1;
      world.now += world.takesMs;
      if (world.fails) throw world.fails;
      return store.byCluster(cluster);
    },
    async byReference(ref: string) {
      if (world.fails) throw world.fails;
      world.woken.push(ref);
      return { items: [] };
    },
  };
  const deps = { leases, clock: () => world.now, log: QUIET, queue: { send: async () => undefined } };
  const search = secretSearch(deps as unknown as DiscoveryDeps, "east", async (row, { secret }, last) => {
    found.push(`${row.key} ${secret.uid} ${last}`);
  });
  await store.declare(aDeclared(), START);
  const row = (await store.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
  const claimed = (await store.claim(row, { now: START, until: START + 60_000 })) ?? assert.fail();
  const state = { ...EMPTY_STATE, owned: [{ name: "db", uid: "secret" }] };
  await store.settle(claimed.lease, { state, schedule: { kind: "parked" }, now: START });
  const secret = (uid: string) => aSeen({ uid, labels: { [OWNER_UID_LABEL]: row.declared.uid } });
  const seen = (uid = "secret") => ({ secret: secret(uid), isDeleted: false });
  return { world, search, found, seen, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe("a search for the rows of Secrets", () => {
  it("reads all rows once for many Secrets, and is done with these", async () => {
    await using scene = await aScene();
    assert.equal(scene.search.isPending(), false);
    await scene.search.run(true);
    assert.equal(scene.world.reads, 0, "there is nothing to look for");
    scene.search.unknown(scene.seen());
    scene.search.unknown({ secret: aSeen({ name: "copy" }), isDeleted: false });
    assert.equal(scene.search.isPending(), true);
    await scene.search.run(false);
    assert.deepEqual([scene.found, scene.world.reads], [[`${aKey()} secret false`], 1]);
    assert.equal(scene.search.isPending(), false);
  });

  it("finds the newest state of a Secret", async () => {
    await using scene = await aScene();
    for (const uid of ["old", "new"]) scene.search.unknown(scene.seen(uid));
    await scene.search.run(true);
    assert.deepEqual(scene.found, [`${aKey()} new true`]);
  });

  it("pauses for ten times as long as it took: 0.3 s at least, 10 s at most, unless it is the last", async () => {
    await using scene = await aScene();
    for (const [takesMs, pause] of [
      [0, 300],
      [100, 1_000],
      [5_000, 10_000],
    ] as const) {
      scene.world.takesMs = takesMs;
      scene.world.now += 60_000;
      scene.search.unknown(scene.seen());
      await scene.search.run(false);
      const { reads } = scene.world;
      scene.search.unknown(scene.seen());
      scene.world.now += pause - 1;
      await scene.search.run(false);
      assert.equal(scene.world.reads, reads, "not yet");
      scene.world.now += 1;
      await scene.search.run(false);
      assert.equal(scene.world.reads, reads + 1);
      scene.search.unknown(scene.seen());
      await scene.search.run(true);
      assert.equal(scene.world.reads, reads + 2);
    }
  });

  it("wakes what waits for a Secret that is gone, once, without a read of all rows", async () => {
    await using scene = await aScene();
    scene.search.released(aSeen());
    assert.equal(scene.search.isPending(), true);
    await scene.search.run(false);
    assert.deepEqual([scene.world.woken, scene.world.reads], [["destination:east/shop/db"], 0]);
    assert.equal(scene.search.isPending(), false);
    await scene.search.run(true);
    assert.equal(scene.world.woken.length, 1);
  });

  it("is tried again after an outage of the table, which the last one tells", async () => {
    await using scene = await aScene();
    scene.world.fails = new SyncError("STORE_UNAVAILABLE", "away");
    scene.search.released(aSeen());
    scene.search.unknown(scene.seen());
    await scene.search.run(false);
    assert.equal(scene.search.isPending(), true);
    await assert.rejects(scene.search.run(true), { code: "STORE_UNAVAILABLE" });
    scene.world.fails = new TypeError("bug");
    scene.world.now += 60_000;
    await assert.rejects(scene.search.run(false), TypeError);
    scene.world.fails = undefined;
    await scene.search.run(true);
    assert.deepEqual([scene.world.woken.length, scene.found.length], [1, 1]);
  });
});
