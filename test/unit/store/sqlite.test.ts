import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { cleanupKey } from "../../../lib/keys.ts";
import { EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import { lockDataDir } from "../../../lib/store/sqlite/data-dir-lock.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, aPushed } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const LEASE_MS = 90_000;
const PARKED = { kind: "parked" } as const;

/** A state in a file, beside which a test looks at it and damages it. */
function aFile() {
  const dir = mkdtempSync(join(tmpdir(), "keyferry-sqlite-"));
  const path = join(dir, "state.sqlite");
  const damaged: string[] = [];
  const store = openSqliteStore({ path, onDamage: (key) => void damaged.push(key) });
  const rowOf = async (key = aKey()) => (await store.read([key], "strong")).get(key) ?? assert.fail(key);
  return {
    ...{ dir, store, damaged, rowOf },
    /** SQL beside the store. */
    run(sql: string) {
      const database = new DatabaseSync(path);
      database.exec(sql);
      database.close();
    },
    writes: () => store.counts().writes ?? 0,
    claim: async (key = aKey(), now = NOW) => store.claim(await rowOf(key), { now, until: now + LEASE_MS }),
    async settled(name: string, state: Partial<RowState> = {}) {
      const key = aKey(name);
      await store.declare(aDeclared({ key }), NOW);
      const { lease } = (await store.claim(await rowOf(key), { now: NOW, until: NOW + LEASE_MS })) ?? assert.fail();
      await store.settle(lease, { state: { ...EMPTY_STATE, ...state }, schedule: PARKED, now: NOW });
      return key;
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

describe("writes of SQLite", () => {
  it("are counted, one for each row, and not when nothing was written", async () => {
    await using file = aFile();
    await file.store.declare(aDeclared(), NOW);
    const row = await file.rowOf();
    const before = file.writes();
    assert.ok(await file.store.claim(row, { now: NOW, until: NOW + LEASE_MS }));
    assert.equal(file.writes(), before + 1);
    assert.equal(await file.store.claim(row, { now: NOW, until: NOW + LEASE_MS }), undefined);
    assert.equal(file.writes(), before + 1);
    const digest = await file.store.putTarget({ address: "https://v" }, row.key);
    const known = file.writes();
    assert.equal(await file.store.putTarget({ address: "https://v" }, row.key), digest);
    assert.equal(file.writes(), known, "it is stored already");
  });
});

describe("numbers that JavaScript can't hold", () => {
  it("are read as the nearest that it can, and the others as ever", async () => {
    await using file = aFile();
    for (const name of ["most", "least", "good"]) await file.settled(name);
    file.run(`UPDATE sync SET nudges = 9223372036854775807 WHERE key LIKE '%/most';
              UPDATE sync SET nudges = -9223372036854775807 WHERE key LIKE '%/least'`);
    assert.equal((await file.rowOf(aKey("most"))).nudges, Number.MAX_SAFE_INTEGER);
    assert.equal((await file.rowOf(aKey("least"))).nudges, -Number.MAX_SAFE_INTEGER);
    const good = await file.rowOf(aKey("good"));
    assert.deepEqual([good.nudges, typeof good.fence], [0, "number"]);
  });
});

describe("a damaged state", () => {
  it("of a hub is told of, and one that is well is not", async () => {
    await using file = aFile();
    for (const name of ["bad", "good"]) {
      const row = await file.store.claimHub(name, { now: NOW, until: NOW + LEASE_MS });
      await file.store.saveHub(row ?? assert.fail(), { members: [], readAs: "r" }, NOW);
    }
    file.run("UPDATE hub SET state = '{' WHERE name = 'bad'");
    assert.equal(await file.store.hubState("bad"), undefined);
    assert.notEqual(await file.store.hubState("good"), undefined);
    assert.deepEqual(file.damaged, ["hub:bad"]);
  });

  it("has keys that are none: their rows are left out of what is due, and shorten no page", async () => {
    await using file = aFile();
    for (const name of ["a", "b", "c", "d"]) await file.store.declare(aDeclared({ key: aKey(name) }), NOW);
    for (const name of ["a", "c"]) file.run(`UPDATE sync SET key = 'none-${name}' WHERE key = '${aKey(name)}'`);
    const due = async (limit: number) =>
      (await file.store.due({ after: 0, until: NOW, now: NOW }, limit)).map(({ key }) => key);
    assert.deepEqual(await due(1), [aKey("b")]);
    for (const limit of [2, 3, 4, 9]) assert.deepEqual(await due(limit), [aKey("b"), aKey("d")], `${limit}`);
    assert.deepEqual([...new Set(file.damaged)], ["none-a", "none-c"]);
  });

  it("has a lane that is none: its row is new work", async () => {
    await using file = aFile();
    await file.store.declare(aDeclared(), NOW);
    file.run("PRAGMA ignore_check_constraints = ON; UPDATE sync SET lane = 'strange'");
    const due = await file.store.due({ after: 0, until: NOW, now: NOW }, 9);
    assert.deepEqual(
      due.map(({ lane }) => lane),
      ["now"],
    );
  });
});

describe("places", () => {
  it("are let go of one by one", async () => {
    await using file = aFile();
    const key = aKey();
    await file.store.declare(aDeclared({ key }), NOW);
    const pushed = ["a", "b"].map((name) => aPushed(name));
    const options = { now: NOW, until: NOW + LEASE_MS, pushed };
    const claimed = await file.store.claimPush(await file.rowOf(), options);
    assert.ok(claimed && "lease" in claimed);
    const state = { ...EMPTY_STATE, pushed: pushed.slice(0, 1) };
    await file.store.settle(claimed.lease, { state, schedule: PARKED, now: NOW });
    const at = async (path: string) => (await file.store.byPlace("main", { path })).items.map((entry) => entry.key);
    assert.deepEqual([await at("kv/a"), await at("kv/b")], [[key], []]);
  });

  it("are a row's own where only its state is lost", async () => {
    await using file = aFile();
    await file.store.declare(aDeclared(), NOW);
    const claimPush = async (now: number) =>
      file.store.claimPush(await file.rowOf(), { now, until: now + LEASE_MS, pushed: [aPushed()] });
    const first = await claimPush(NOW);
    assert.ok(first && "lease" in first);
    await file.store.settle(first.lease, { state: first.row.state, schedule: PARKED, now: NOW });
    file.run("UPDATE body SET pushed = NULL");
    const again = await claimPush(NOW + 1);
    assert.ok(again && "lease" in again, "no other row has it");
  });
});

describe("the state of an engine that was killed", () => {
  it("has no leases that last, and what was under work is due at once; the rest stays as it was", async () => {
    await using file = aFile();
    const { store } = file;
    const held = await file.settled("held");
    const { lease } = (await file.claim(held)) ?? assert.fail();
    const idle = await file.settled("idle");
    for (const [name, until] of [
      ["watched", NOW + LEASE_MS],
      ["idle", NOW],
    ] as const) {
      const row = (await store.claimCluster(name, { now: NOW, until })) ?? assert.fail();
      if (name === "idle") await store.saveCluster(row, row.state, { dueAt: NOW + 5 });
    }
    const before = await file.rowOf(idle);
    await store.expireLeases(NOW + 1);
    const row = await file.rowOf(held);
    assert.deepEqual([row.leaseUntil, row.dueAt, row.fence], [NOW + 1, NOW + 1, lease.fence], "it was worked on");
    assert.deepEqual(await file.rowOf(idle), before);
    const cluster = async (name: string) => (await store.cluster(name)) ?? assert.fail(name);
    assert.deepEqual([(await cluster("watched")).leaseUntil, (await cluster("watched")).dueAt], [undefined, NOW + 1]);
    assert.equal((await cluster("idle")).dueAt, NOW + 5);
  });

  it("has hubs that can be read, and circuits that are probed at once", async () => {
    await using file = aFile();
    const { store } = file;
    const hub = async (name: string) => (await store.hubs()).find((row) => row.name === name) ?? assert.fail(name);
    await store.claimHub("read", { now: NOW, until: NOW + LEASE_MS });
    await store.saveHub(
      (await store.claimHub("idle", { now: NOW, until: NOW + 1 })) ?? assert.fail(),
      undefined,
      NOW + 5,
    );
    const circuit = { code: "KUBE_UNREACHABLE", message: "", since: NOW, attempts: 3, fence: 7 } as const;
    const [far, past] = [
      { ...circuit, id: "cluster:far", probeAt: NOW + LEASE_MS },
      { ...circuit, id: "cluster:past", probeAt: NOW - 1 },
    ];
    await store.openCircuit(far);
    await store.openCircuit(past);
    await store.expireLeases(NOW + 1);
    const { leaseUntil, dueAt } = await hub("read");
    assert.deepEqual([leaseUntil, dueAt, (await hub("idle")).dueAt], [undefined, NOW + 1, NOW + 5]);
    assert.deepEqual(await store.circuits(), [{ ...far, probeAt: NOW + 1 }, past]);
  });

  it("has clean-ups that need not wait for their declaration's last run", async () => {
    await using file = aFile();
    const { store } = file;
    const left = async (name: string) => {
      const key = await file.settled(name, { owned: [{ name }] });
      await file.claim(key);
      const { uid } = (await file.rowOf(key)).declared;
      await store.tombstone(key, uid, NOW);
      return cleanupKey(key, uid);
    };
    const [late, early] = [await left("late"), await left("early")];
    assert.equal((await file.rowOf(late)).state.busyUntil, NOW + LEASE_MS);
    file.run(`UPDATE sync SET due_at = ${NOW + LEASE_MS} WHERE key LIKE '%late%'`);
    file.run(`UPDATE sync SET due_at = ${NOW - 7} WHERE key LIKE '%early%'`);
    await store.expireLeases(NOW + 1);
    for (const key of [late, early]) {
      const { state } = await file.rowOf(key);
      assert.deepEqual([state.busyUntil, state.busyFence], [undefined, undefined]);
    }
    assert.deepEqual([(await file.rowOf(late)).dueAt, (await file.rowOf(early)).dueAt], [NOW + 1, NOW - 7]);
  });
});

it("a data directory is let go of once, however often that is asked for", async () => {
  await using file = aFile();
  const lock = lockDataDir(file.dir, () => NOW);
  lock[Symbol.dispose]();
  lock[Symbol.dispose]();
  lockDataDir(file.dir, () => NOW)[Symbol.dispose]();
});
