import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { changes } from "../../../lib/nudging/changes.ts";
import { nudgePlace } from "../../../lib/nudging/nudge-places.ts";
import type { ChangedPlace } from "../../../lib/ports/look-up.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, aPushed } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);

/** A row that pushed version 3 of `db` and version 5 of `other` to one Vault, and version 5 of `db` to another one. */
async function aPusher() {
  const scene = { now: START };
  const store = openSqliteStore({ path: ":memory:" });
  const key = aKey();
  await store.declare(aDeclared({ key }), scene.now);
  const read = (await store.read([key], "strong")).get(key) ?? assert.fail();
  const pushed = [
    aPushed("db", { version: 3 }),
    aPushed("other", { version: 5 }),
    aPushed("db", { version: 5, vault: "elsewhere" }),
  ];
  const claimed = await store.claimPush(read, { now: START, until: START + 90_000, pushed });
  assert.ok(claimed && "lease" in claimed);
  const state = { ...read.state, pushed };
  await store.settle(claimed.lease, { state, schedule: { kind: "parked" }, now: START });
  scene.now += 60_000;
  const deps = {
    ...{ leases: store, queue: { send: async () => undefined }, clock: () => scene.now, log: QUIET },
    metrics: { count: () => undefined, observe: () => undefined },
  };
  const at = "kv/db";
  return {
    at,
    nudged: async (change: Partial<ChangedPlace>, vault = "main") => {
      // A nudge while the row is due is not another one.
      const due = (await store.read([key], "strong")).get(key) ?? assert.fail();
      const { lease } = (await store.claim(due, { now: scene.now, until: scene.now + 90_000 })) ?? assert.fail();
      await store.settle(lease, { state, schedule: { kind: "parked" }, now: scene.now });
      return (await nudgePlace(deps, vault, { where: "path", path: at, at: scene.now, ...change })).nudged;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("a row that pushes to a place", () => {
  it("hears of nothing that it wrote itself, and of every other change there", async () => {
    await using pusher = await aPusher();
    assert.equal(await pusher.nudged({ version: 3 }), 0);
    assert.equal(await pusher.nudged({ version: 4 }), 1);
  });

  it("hears of a version that it wrote to another path, or to the same path of another Vault", async () => {
    await using pusher = await aPusher();
    assert.equal(await pusher.nudged({ path: "kv/other", version: 3 }), 1);
    assert.equal(await pusher.nudged({ path: "kv/other", version: 5 }), 0);
    assert.equal(await pusher.nudged({ version: 5 }), 1);
    assert.equal(await pusher.nudged({ version: 5 }, "elsewhere"), 0);
    assert.equal(await pusher.nudged({ version: 3 }, "elsewhere"), 1);
  });

  it("hears of a deletion that came together with its own write", async () => {
    await using pusher = await aPusher();
    const together = changes();
    const add = (more: object) => together.add({ kind: "path", path: pusher.at, ...more }, START);
    const taken = () => together.take().places[0] ?? assert.fail();
    add({ version: 3 });
    add({});
    assert.equal(await pusher.nudged(taken()), 1);
    add({});
    add({ version: 3 });
    assert.equal(await pusher.nudged(taken()), 0, "its own write was the last change");
  });

  it("hears of another's write that made the path anew and has the number of its own version", async () => {
    await using pusher = await aPusher();
    const together = changes();
    const add = (more: object) => together.add({ kind: "path", path: pusher.at, ...more }, START);
    add({ forget: true });
    for (const version of [1, 2, 3]) add({ version });
    assert.equal(await pusher.nudged(together.take().places[0] ?? assert.fail()), 1);
  });

  it("hears of a change whose version is not told", async () => {
    await using pusher = await aPusher();
    assert.equal(await pusher.nudged({}), 1);
  });
});
