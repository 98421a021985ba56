import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { driftWatch } from "../../../lib/discovery/drift.ts";
import type { HandlerContext } from "../../../lib/discovery/event-handlers.ts";
import { secretHandler } from "../../../lib/discovery/secret-handler.ts";
import { partsOf } from "../../../lib/keys.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import { EMPTY_STATE, type OwnedSecret } from "../../../lib/ports/rows.ts";
import type { NudgeOptions } from "../../../lib/ports/store.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";
import { aSeen } from "./a-seen.ts";

const START = Date.UTC(2030, 0, 1);
const { signal } = new AbortController();
const owner = (name: string) => ({
  ...{ apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name, uid: `uid-of-${aKey(name)}` },
});
const entry = (name: string): OwnedSecret => ({
  ...{ name, uid: `uid-of-${name}`, resourceVersion: "100", managed: "ours" },
});
const aSecret = (name = "db", changed: Partial<SeenResource> = {}) =>
  aSeen({ name, ownerReferences: [owner(name)], managed: { fingerprint: "ours", ours: true, vso: false }, ...changed });
const drifted = (name = "db") =>
  aSecret(name, { resourceVersion: "101", managed: { fingerprint: "other", ours: true, vso: false } });

/** Rows that have written a Secret, and what drift nudges and reads. */
async function aScene(changed: Partial<HandlerContext> = {}) {
  const store = simulatedSqliteStore(undefined);
  let now = START;
  const nudged: (readonly [name: string, options: NudgeOptions])[] = [];
  let reads = 0;
  const leases = {
    ...store,
    async nudge(key: ReturnType<typeof aKey>, options: NudgeOptions) {
      nudged.push([partsOf(key).name, options]);
      return store.nudge(key, options);
    },
    async read(...asked: Parameters<typeof store.read>) {
      reads += 1;
      return store.read(...asked);
    },
  };
  const deps = {
    ...{ leases, clock: () => now, log: QUIET, metrics: { count: () => undefined } },
    queue: { send: async () => undefined },
  } as unknown as DiscoveryDeps;
  const drift = driftWatch(deps, "east");
  const settings = aCluster();
  const context = { settings, scope: undefined, isOurs: () => true, ...changed } as unknown as HandlerContext;
  return {
    ...{ store, drift, nudged, handler: secretHandler(deps, drift, context) },
    names: () => nudged.splice(0).map(([name]) => name),
    reads: () => reads,
    pass(ms: number) {
      now += ms;
    },
    /** A row that wrote a Secret of its name. */
    async written(name = "db", namespace = "shop") {
      const key = aKey(name).replace("shop", namespace) as ReturnType<typeof aKey>;
      await store.declare(aDeclared({ key, uid: `uid-of-${aKey(name)}` }), now);
      const lease = (await this.claimed(name, namespace)).lease;
      const state = { ...EMPTY_STATE, owned: [entry(name)] };
      await store.settle(lease, { state, schedule: { kind: "parked" }, now });
    },
    async claimed(name = "db", namespace = "shop") {
      const key = aKey(name).replace("shop", namespace) as ReturnType<typeof aKey>;
      const row = (await store.read([key], "strong")).get(key) ?? assert.fail("no row");
      return (await store.claim(row, { now, until: now + 60_000 })) ?? assert.fail("not claimed");
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe("a Secret that was seen while its row is worked on", () => {
  it("lease-table 22: is looked at again after 0.4 s, then after twice as long each time, up to 5 s", async () => {
    await using scene = await aScene();
    await scene.written();
    await scene.claimed();
    await scene.drift.see({ secret: drifted(), isDeleted: false });
    assert.ok(scene.drift.isDeferring());
    const pauses: number[] = [];
    for (let looks = 0; looks < 6; looks++) {
      let pause = 0;
      for (const before = scene.reads(); scene.reads() === before; pause += 100) {
        scene.pass(100);
        await scene.drift.settleDeferred(false);
      }
      pauses.push(pause);
    }
    assert.deepEqual(pauses, [400, 800, 1_600, 3_200, 5_000, 5_000]);
    assert.deepEqual(scene.names(), []);
  });

  it("is looked at soon again once it was seen in step", async () => {
    await using scene = await aScene();
    await scene.written();
    const { lease } = await scene.claimed();
    await scene.drift.see({ secret: drifted(), isDeleted: false });
    scene.pass(400);
    await scene.drift.settleDeferred(false);
    const state = { ...EMPTY_STATE, owned: [entry("db")] };
    await scene.store.settle(lease, { state, schedule: { kind: "parked" }, now: START + 400 });
    await scene.drift.see({ secret: aSecret(), isDeleted: false });
    assert.deepEqual([scene.drift.isDeferring(), scene.names()], [false, []]);
  });

  it("is a reason for a run at the end of the watch, whatever is at work on it", async () => {
    await using scene = await aScene();
    await scene.written();
    await scene.claimed();
    await scene.drift.see({ secret: drifted(), isDeleted: false });
    await scene.drift.settleDeferred(true);
    assert.deepEqual([scene.drift.isDeferring(), scene.names()], [false, ["db"]]);
  });
});

describe("drift", () => {
  it("asks for a run that looks, at once where the Secret is gone, but not again within 10 s", async () => {
    await using scene = await aScene();
    await scene.written();
    const atOnce = async (secret: SeenResource, isDeleted: boolean) => {
      await scene.drift.see({ secret, isDeleted });
      const [[, options] = assert.fail("no nudge")] = scene.nudged.splice(0);
      assert.equal(options.verify, true);
      return options.atOnce;
    };
    assert.equal(await atOnce(drifted(), false), false);
    assert.equal(await atOnce(aSecret(), true), true);
    scene.pass(9_999);
    assert.equal(await atOnce(aSecret(), true), false);
    scene.pass(1);
    assert.equal(await atOnce(aSecret(), true), true);
  });
});

describe("drift of a Secret that another program changes again and again", () => {
  it("lease-table 9: asks for a run a minute after the last one, and so does its deletion", async () => {
    await using scene = await aScene();
    await scene.written();
    const { lease } = await scene.claimed();
    const repairs = { since: START, count: 10 };
    const state = { ...EMPTY_STATE, owned: [entry("db")], repairs };
    await scene.store.settle(lease, { state, schedule: { kind: "parked" }, now: START });
    const nudge = async (secret: SeenResource, isDeleted: boolean) => {
      await scene.drift.see({ secret, isDeleted });
      const [[, { gapMs, atOnce }] = assert.fail("no nudge")] = scene.nudged.splice(0);
      return [gapMs, atOnce];
    };
    assert.deepEqual(await nudge(drifted(), false), [60_000, undefined]);
    assert.deepEqual(await nudge(aSecret(), true), [60_000, undefined]);
    scene.pass(600_000);
    assert.deepEqual(await nudge(aSecret(), true), [undefined, true]);
  });
});

describe("drift that is seen of a Secret", () => {
  it("is its owner's, by name and uid, and nobody's without one", async () => {
    await using scene = await aScene();
    await scene.written();
    const { uid: _uid, ...other } = owner("db");
    await scene.drift.see({
      secret: { ...drifted(), ownerReferences: [{ ...other, uid: "former" }] },
      isDeleted: false,
    });
    assert.deepEqual(scene.names(), []);
    await scene.drift.see({ secret: drifted(), isDeleted: false });
    assert.deepEqual(scene.names(), ["db"]);
  });

  it("at once again is counted for each sync by itself", async () => {
    await using scene = await aScene();
    await scene.written();
    await scene.written("other");
    const atOnce = async (name: string) => {
      await scene.drift.see({ secret: aSecret(name), isDeleted: true });
      return scene.nudged.splice(0)[0]?.[1].atOnce;
    };
    assert.deepEqual([await atOnce("db"), await atOnce("other"), await atOnce("db")], [true, true, false]);
  });

  it("of rows whose worker's lease has ended is looked at when it is missing, and not before", async () => {
    await using scene = await aScene();
    await scene.written();
    await scene.claimed();
    await scene.handler.list().end(signal);
    assert.deepEqual(scene.names(), []);
    scene.pass(60_000);
    await scene.handler.list().end(signal);
    assert.deepEqual(scene.names(), ["db"]);
  });
});

describe("a list of Secrets", () => {
  it("shows what changed, and what is missing of what was written", async () => {
    await using scene = await aScene();
    for (const name of ["changed", "missing", "there"]) await scene.written(name);
    const listing = scene.handler.list();
    await listing.page([drifted("changed"), aSecret("there")], signal);
    assert.deepEqual(scene.names(), ["changed"]);
    assert.equal(await listing.end(signal), undefined);
    assert.equal(scene.nudged[0]?.[1].atOnce, true, "a missing Secret is written at once");
    assert.deepEqual(scene.names(), ["missing"]);
  });

  it("lease-table 20: shows a Secret from before our write, which a restore of etcd brought back", async () => {
    await using scene = await aScene();
    await scene.written();
    const before = { ...aSecret(), resourceVersion: "99" };
    await scene.handler.list().page([before], signal, "99");
    assert.deepEqual(scene.names(), []);
    const { lease, row } = await scene.claimed();
    await scene.handler.list().page([before], signal, "100");
    await scene.store.settle(lease, { state: row.state, schedule: { kind: "parked" }, now: START });
    await scene.drift.settleDeferred(true);
    assert.deepEqual(scene.names(), ["db"]);
  });

  it("shows nothing of namespaces that it does not cover", async () => {
    await using scene = await aScene({ scope: "bank" });
    await scene.written("elsewhere");
    await scene.written("here", "bank");
    await scene.handler.list().end(signal);
    assert.deepEqual(scene.names(), ["here"]);
  });

  it("shows nothing of clean-ups, which look themselves", async () => {
    await using scene = await aScene();
    await scene.written();
    const { key, uid } = (await scene.claimed()).lease;
    await scene.store.tombstone(key, uid, START);
    await scene.handler.list().end(signal);
    assert.deepEqual(scene.names(), []);
  });

  it("lets those alone that keyferry does not serve", async () => {
    await using scene = await aScene({ isOurs: () => false });
    await scene.written();
    await scene.handler.changed(drifted(), signal);
    await scene.handler.deleted(aSecret());
    await scene.handler.list().page([drifted()], signal);
    assert.deepEqual(scene.names(), []);
    assert.equal(await scene.handler.notServed(), undefined);
  });
});
