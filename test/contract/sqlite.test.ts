import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import type { Readable } from "node:stream";
import { describe, it } from "node:test";
import { systemClock } from "../../lib/clock.ts";
import { InputError } from "../../lib/errors.ts";
import { EMPTY_STATE } from "../../lib/ports/rows.ts";
import type { LeaseStore } from "../../lib/ports/store.ts";
import {
  dataDirMarkedAt,
  isDataDirLocked,
  lockDataDir,
  openSqliteStore,
  simulatedSqliteStore,
} from "../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../builders.ts";

function aDir(): { readonly dir: string; readonly path: string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), "keyferry-sqlite-"));
  return { dir, path: join(dir, "state.sqlite"), [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

type Child = ChildProcessByStdio<null, Readable, null>;

/** A script beside this file, run by this Node; it is killed with the test. */
function child(script: string, argument: string): Child & Disposable {
  const file = join(import.meta.dirname, "sqlite", script);
  const process_ = spawn(process.execPath, [file, argument], { stdio: ["ignore", "pipe", "inherit"] });
  return Object.assign(process_, { [Symbol.dispose]: () => void process_.kill("SIGKILL") });
}

async function lines(from: Child, enough: number): Promise<string[]> {
  const said: string[] = [];
  for await (const line of createInterface({ input: from.stdout })) {
    said.push(line);
    // Not before the end: what was said before the kill counts.
    if (said.length === enough) from.kill("SIGKILL");
  }
  // Its output ends a moment before its locks do.
  if (from.exitCode === null && from.signalCode === null) await once(from, "exit");
  return said;
}

function integrity(path: string): unknown[] {
  const database = new DatabaseSync(path);
  const problems = database
    .prepare("PRAGMA integrity_check")
    .all()
    .map((row) => row.integrity_check);
  const orphans = database
    .prepare("SELECT count(*) AS n FROM sync FULL JOIN body ON body.id = sync.body WHERE key IS NULL OR id IS NULL")
    .get();
  database.close();
  return [...problems, orphans?.n];
}

/** What the writer said of one row before it was killed must be so. */
async function assertKept(store: LeaseStore, line: string, gone: ReadonlySet<string | undefined>): Promise<void> {
  const [what, n = ""] = line.split(" ");
  const key = aKey(`n${n}`);
  const row = (await store.read([key], "strong")).get(key);
  const goes = Number(n) % 3 === 0;
  if (what === "settled") assert.deepEqual([row?.state.digest, row?.wheel?.period], [`digest-${n}`, 57], line);
  else if (gone.has(n)) assert.equal(row, undefined, line);
  // One that goes may have gone without having said so.
  else assert.ok(row ?? goes, line);
}

describe("the SQLite store and its process", () => {
  for (const enough of [50, 333, 1_500]) {
    it(`kill -9 after ${enough} commits loses none of them, and leaves whole rows`, { timeout: 60_000 }, async () => {
      using place = aDir();
      using writer = child("writer.ts", place.path);
      const said = await lines(writer, enough);
      assert.ok(said.length >= enough);
      assert.deepEqual(integrity(place.path), ["ok", 0]);

      await using store = openSqliteStore({ path: place.path });
      const gone = new Set(said.filter((line) => line.startsWith("gone")).map((line) => line.split(" ")[1]));
      for (const line of said) await assertKept(store, line, gone);
    });
  }

  it("a copy in memory holds what the file holds, beside a writer, and what is done to it leaves the file as it is", async () => {
    using place = aDir();
    await using store = openSqliteStore({ path: place.path });
    const key = aKey();
    await store.declare(aDeclared({ key }), 1);
    await store.claimCluster("east", { now: 1, until: 100 });
    await using copy = simulatedSqliteStore(place.path);
    assert.deepEqual(await copy.read([key], "strong"), await store.read([key], "strong"));
    assert.deepEqual(await copy.clusters(), await store.clusters());
    await copy.declare(aDeclared({ key: aKey("other") }), 2);
    await copy.release(key);
    await store.declare(aDeclared({ key: aKey("later") }), 2);
    assert.deepEqual([...(await copy.read([key, aKey("other"), aKey("later")], "strong")).keys()], [aKey("other")]);
    assert.deepEqual([...(await store.read([key, aKey("other")], "strong")).keys()], [key]);
    assert.throws(() => simulatedSqliteStore(join(place.dir, "nothing.sqlite")));
    await using empty = simulatedSqliteStore(undefined);
    assert.deepEqual(await empty.clusters(), []);
  });

  it("says whether a process works with a data directory", () => {
    using place = aDir();
    assert.equal(isDataDirLocked(place.dir), false);
    {
      using _lock = lockDataDir(place.dir, systemClock);
      assert.equal(isDataDirLocked(place.dir), true);
    }
    assert.equal(isDataDirLocked(place.dir), false);
  });

  it("says when a process last took or gave back a data directory", () => {
    using place = aDir();
    assert.equal(dataDirMarkedAt(place.dir), undefined);
    let now = Date.UTC(2030, 0, 1);
    const lock = lockDataDir(place.dir, () => now);
    assert.equal(dataDirMarkedAt(place.dir), now);
    now += 60_000;
    assert.equal(isDataDirLocked(place.dir), true, "who asks leaves no mark");
    assert.equal(dataDirMarkedAt(place.dir), now - 60_000);
    lock[Symbol.dispose]();
    assert.equal(dataDirMarkedAt(place.dir), now);
  });

  it("a second process reads along while the first one writes, and can't write", async () => {
    using place = aDir();
    await using writer = openSqliteStore({ path: place.path });
    await writer.declare(aDeclared({ key: aKey("one") }), 1);
    await using reader = openSqliteStore({ path: place.path, readOnly: true });
    assert.equal((await reader.byCluster("east")).length, 1);
    await writer.declare(aDeclared({ key: aKey("two") }), 2);
    assert.equal((await reader.byCluster("east")).length, 2);
    await assert.rejects(reader.declare(aDeclared({ key: aKey("three") }), 3), { code: "STORE_UNAVAILABLE" });
  });

  it("opens a state for reading that nobody writes", async () => {
    using place = aDir();
    {
      await using writer = openSqliteStore({ path: place.path });
      await writer.declare(aDeclared(), 1);
    }
    await using reader = openSqliteStore({ path: place.path, readOnly: true });
    assert.equal((await reader.byCluster("east")).length, 1);
  });

  it("keeps what was asked for before it was closed", async () => {
    using place = aDir();
    const asked = await (async () => {
      await using store = openSqliteStore({ path: place.path });
      return Promise.all([store.declare(aDeclared(), 1), store[Symbol.asyncDispose]()]);
    })();
    assert.equal(asked[0]?.at, 1);
    await using store = openSqliteStore({ path: place.path });
    assert.equal((await store.byCluster("east")).length, 1);
  });

  it("a row that is settled for good leaves nothing of its contents", async () => {
    using place = aDir();
    const store = openSqliteStore({ path: place.path });
    for (const name of ["stays", "goes"]) await store.declare(aDeclared({ key: aKey(name) }), 1);
    const row = (await store.read([aKey("goes")], "strong")).get(aKey("goes")) ?? assert.fail();
    const { lease } = (await store.claim(row, { now: 1, until: 2 })) ?? assert.fail();
    await store.settle(lease, { state: EMPTY_STATE, schedule: { kind: "gone" }, now: 1 });
    await store[Symbol.asyncDispose]();
    assert.deepEqual(integrity(place.path), ["ok", 0]);
  });

  it("one change that fails spoils no other of the same commit", async () => {
    using place = aDir();
    await using store = openSqliteStore({ path: place.path });
    const broken = { ...aDeclared({ key: aKey("broken") }), hash: undefined as unknown as string };
    const [before, failed, after] = await Promise.allSettled([
      store.declare(aDeclared({ key: aKey("before") }), 1),
      store.declare(broken, 1),
      store.declare(aDeclared({ key: aKey("after") }), 1),
    ]);
    assert.deepEqual([before.status, failed.status, after.status], ["fulfilled", "rejected", "fulfilled"]);
    assert.equal((await store.byCluster("east")).length, 2);
    assert.deepEqual(integrity(place.path), ["ok", 0]);
  });

  it("its log does not grow without end", async () => {
    using place = aDir();
    await using store = openSqliteStore({ path: place.path });
    const filler = "x".repeat(60_000);
    for (let n = 0; n < 3_000; n++) await store.declare(aDeclared({ hash: `h${n}`, annotations: { filler } }), n);
    assert.ok(statSync(`${place.path}-wal`).size < 100_000_000);
  });

  it("refuses a database that is not ours, and leaves it as it is", () => {
    using place = aDir();
    const other = new DatabaseSync(place.path);
    other.exec("CREATE TABLE theirs (x)");
    other.close();
    const size = statSync(place.path).size;
    for (const readOnly of [false, true]) {
      assert.throws(
        () => openSqliteStore({ path: place.path, readOnly }),
        (error) => error instanceof InputError && /not a database of keyferry/.test(error.message),
      );
    }
    assert.equal(statSync(place.path).size, size);
  });

  it("refuses a file that is no database", () => {
    using place = aDir();
    writeFileSync(place.path, "a".repeat(4_096));
    assert.throws(
      () => openSqliteStore({ path: place.path }),
      (error) => error instanceof InputError && /not a database/.test(error.message),
    );
  });

  it("refuses a database of another version, and says which it is", async () => {
    using place = aDir();
    await openSqliteStore({ path: place.path })[Symbol.asyncDispose]();
    const other = new DatabaseSync(place.path);
    other.exec("PRAGMA user_version = 99");
    other.close();
    assert.throws(
      () => openSqliteStore({ path: place.path }),
      (error) => error instanceof InputError && /newer keyferry \(schema 99/.test(error.message),
    );
  });

  it("a place that can't be written is STORE_UNAVAILABLE", async () => {
    using place = aDir();
    assert.throws(() => openSqliteStore({ path: join(place.dir, "missing", "state.sqlite") }), {
      code: "STORE_UNAVAILABLE",
    });
    assert.throws(() => openSqliteStore({ path: place.path, readOnly: true }), { code: "STORE_UNAVAILABLE" });
    const store = openSqliteStore({ path: place.path });
    await store[Symbol.asyncDispose]();
    await assert.rejects(
      store.settle(
        { key: aKey(), uid: "u", fence: 1, until: 1, nudges: 0, state: EMPTY_STATE },
        { state: EMPTY_STATE, schedule: { kind: "parked" }, now: 1 },
      ),
      { code: "STORE_UNAVAILABLE" },
    );
  });
});

describe("the lock of a data directory", () => {
  const inUse = (error: unknown) => error instanceof InputError && /another keyferry process/.test(error.message);

  it("lease-table 25: a second process is refused while the first one lives, and not after its kill -9", {
    timeout: 30_000,
  }, async () => {
    using place = aDir();
    using holder = child("lock-holder.ts", place.dir);
    await once(holder.stdout, "data");
    assert.throws(() => lockDataDir(place.dir, systemClock), inUse);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    using _lock = lockDataDir(place.dir, systemClock);
  });

  it("lease-table 25: the same process is refused as well, until it lets go", () => {
    using place = aDir();
    const lock = lockDataDir(place.dir, systemClock);
    assert.throws(() => lockDataDir(place.dir, systemClock), inUse);
    lock[Symbol.dispose]();
    using _again = lockDataDir(place.dir, systemClock);
  });

  it("locks nobody out who only reads the state", async () => {
    using place = aDir();
    using _lock = lockDataDir(place.dir, systemClock);
    await using _writer = openSqliteStore({ path: place.path });
    await using reader = openSqliteStore({ path: place.path, readOnly: true });
    assert.deepEqual(await reader.byCluster("east"), []);
  });

  it("a directory that is not there is STORE_UNAVAILABLE", () => {
    using place = aDir();
    assert.throws(() => lockDataDir(join(place.dir, "missing"), systemClock), { code: "STORE_UNAVAILABLE" });
  });
});

describe("look-ups in the state", () => {
  it("that can't be read are reported, and can be forgotten", async () => {
    using place = aDir();
    const damaged: string[] = [];
    await using store = openSqliteStore({ path: place.path, onDamage: (key) => damaged.push(key) });
    const denied = { kind: "look-up", vault: "main", look: { kind: "denied" }, at: 1 } as const;
    const [id] = await store.keepLookUps([denied]);
    const broken = [
      "{",
      JSON.stringify({ ...denied, vault: 1 }),
      JSON.stringify({ ...denied, at: -1 }),
      JSON.stringify({ ...denied, look: { kind: "places", since: 1, places: [{ where: "path" }] } }),
      JSON.stringify({ ...denied, look: { kind: "sweep", reason: "event" } }),
    ];
    const database = new DatabaseSync(place.path);
    for (const message of broken) database.prepare("INSERT INTO look_up (message) VALUES (?)").run(message);
    database.close();
    const found = await store.lookUps(100);
    assert.deepEqual(
      found.map(({ message }) => message),
      [denied, ...broken.map(() => undefined)],
    );
    assert.deepEqual(
      damaged,
      found.slice(1).map((one) => `look-up ${one.id}`),
    );
    await store.forgetLookUps(found.slice(1).map((one) => one.id));
    assert.deepEqual(await store.lookUps(100), [{ id, message: denied }]);
  });
});

describe("events of outages in the state", () => {
  it("that can't be read are reported and forgotten, so that they hide no others", async () => {
    using place = aDir();
    const damaged: string[] = [];
    await using store = openSqliteStore({ path: place.path, onDamage: (key) => damaged.push(key) });
    const database = new DatabaseSync(place.path);
    for (const [at, event] of ["{", "{}", '{"id":1}'].entries())
      database.prepare("INSERT INTO circuit_event (id, at, event) VALUES (?, ?, ?)").run(`broken-${at}`, at, event);
    database.close();
    const circuit = { id: "cluster:east", code: "KUBE_UNREACHABLE", message: "", since: 9, attempts: 1 } as const;
    const event = { id: "cluster:east@9/ClusterUnreachable", kind: "ClusterUnreachable", at: 9, detail: {} };
    assert.equal(await store.openCircuit({ ...circuit, fence: 1, probeAt: 9 }, event), true);
    assert.deepEqual([await store.circuitEvents(3), await store.circuitEvents(3)], [[], [event]]);
    assert.deepEqual(
      damaged,
      [0, 1, 2].map((at) => `circuit event broken-${at}`),
    );
  });
});
