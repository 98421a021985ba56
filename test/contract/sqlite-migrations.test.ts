import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { InputError } from "../../lib/errors.ts";
import { cleanupKey, syncKey } from "../../lib/keys.ts";
import { openSqliteStore, type SqliteStore, simulatedSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aKey, aReferenceKey } from "../builders.ts";

const START = Date.UTC(2030, 0, 1);
const VAULT = "vault:https://vault.example:8200";
const CONNECTION = syncKey({ cluster: "east", kind: "VaultConnection", namespace: "shop", name: "default" });
const FIRST = readFileSync(new URL("fixtures/state-1.sql", import.meta.url), "utf8");

interface Place extends Disposable {
  readonly path: string;
}

/** A file as schema 1 left it. */
function firstState(more = ""): Place {
  const dir = mkdtempSync(join(tmpdir(), "keyferry-migrate-"));
  const path = join(dir, "state.sqlite");
  const database = new DatabaseSync(path);
  database.exec(FIRST + more);
  database.close();
  return { path, [Symbol.dispose]: () => rmSync(dir, { recursive: true }) };
}

function asked<T>(path: string, ask: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return ask(database);
  } finally {
    database.close();
  }
}

const versionOf = (path: string) =>
  asked(path, (database) => database.prepare("PRAGMA user_version").get()?.user_version);

/** Tables with their columns, and indexes, however they came about. */
function shapeOf(path: string): object {
  return asked(path, (database) => {
    const named = (type: string) =>
      database.prepare("SELECT name FROM sqlite_master WHERE type = ? AND sql IS NOT NULL ORDER BY name").all(type);
    const columns = named("table").map(({ name }) => [
      name,
      database
        .prepare(`PRAGMA table_info(${name})`)
        .all()
        .map((column) => `${column.name} ${column.type} ${column.notnull} ${column.pk}`)
        .toSorted(),
    ]);
    return { columns, indexes: named("index") };
  });
}

async function rowOf(store: SqliteStore, name: string) {
  return (await store.read([aKey(name)], "strong")).get(aKey(name)) ?? assert.fail(`no ${name}`);
}

const told =
  (...texts: readonly RegExp[]) =>
  (error: unknown) =>
    error instanceof InputError && texts.every((text) => text.test(error.message));

describe("a state of schema 1", () => {
  it("is brought up to date in place, and loses nothing", async () => {
    using place = firstState();
    const damaged: string[] = [];
    await using store = openSqliteStore({ path: place.path, onDamage: (key) => damaged.push(key) });
    const synced = await rowOf(store, "synced");
    assert.deepEqual(synced.state, {
      refs: [aReferenceKey()],
      owned: [{ name: "db", uid: "u-1", resourceVersion: "77", managed: "m", type: "Opaque" }],
      attempts: 0,
      digest: "k:d",
      rolledDigest: "k:d",
      seen: { resourceVersion: "9", status: { x: 1 }, hash: "h" },
      syncedAt: START,
      settledAt: START,
      waitsFor: VAULT,
      appliedHash: "h",
      own: { version: { number: 4, createdTime: "2029-12-31T00:00:00Z" } },
    });
    assert.deepEqual([synced.wheel, synced.dueAt, synced.fence], [{ period: 51, phase: 7 }, undefined, START + 1]);
    const older = await rowOf(store, "older");
    assert.deepEqual(older.state.own, {
      version: { number: 4, createdTime: "2029-12-31T00:00:00Z" },
      olderSince: START - 1,
    });
    assert.deepEqual([older.dueAt, older.state.attempts], [START + 5_000, 1]);
    const key = cleanupKey(aKey("gone"), `uid-of-${aKey("gone")}`);
    assert.deepEqual((await store.read([key], "strong")).get(key)?.state.owned, [{ name: "gone" }]);
    const claimed = await rowOf(store, "claimed");
    assert.deepEqual([claimed.leaseUntil, claimed.dueAt], [START + 90_000, START + 90_000]);
    assert.equal((await store.references([aReferenceKey()], "strong")).size, 1);
    assert.deepEqual((await store.cluster("east"))?.state.awaitingApproval, { since: START, gone: 12, of: 20 });
    assert.deepEqual(
      (await store.circuits()).map(({ id }) => id),
      [VAULT],
    );
    assert.equal(await store.dispatchedUntil("refresh"), START + 120_000);
    assert.equal(await store.dispatchedUntil("renew"), undefined);
    const [token] = await store.tokens().tokens("cluster:east");
    assert.deepEqual([token?.id, token?.by, token?.serial], ["identity", aKey(), "first"]);
    // One that was damaged before is told of, as it was, and nothing else is.
    await rowOf(store, "damaged");
    assert.deepEqual(damaged, [aKey("damaged")]);
  });

  it("finds its rows by what they refer to and wait for, which was searched for before", async () => {
    using place = firstState();
    await using store = openSqliteStore({ path: place.path });
    const referring = async (ref: Parameters<typeof store.byReference>[0]) => (await store.byReference(ref)).items;
    const named = ["claimed", "denied", "older", "refused", "synced"].map((name) => aKey(name));
    assert.deepEqual(await referring(aReferenceKey()), named);
    assert.deepEqual(await referring("cause:VAULT_DENIED:1f"), [aKey("denied")]);
    assert.deepEqual(await referring("destination:east/shop/refused"), [aKey("refused")]);
    assert.deepEqual(await referring(`circuit:${VAULT}`), [CONNECTION]);
    assert.deepEqual((await rowOf(store, "refused")).state.awaits, [
      "cause:SECRET_NOT_OURS:2e",
      "destination:east/shop/refused",
    ]);
  });

  const REFUSED: readonly (readonly [what: string, change: string, awaits: readonly string[] | undefined])[] = [
    [
      "a Secret that is being deleted",
      "state = json_set(state, '$.error.code', 'SECRET_TERMINATING')",
      ["cause:SECRET_NOT_OURS:2e", "destination:east/shop/refused"],
    ],
    ["anything else", "state = json_set(state, '$.error.code', 'SECRET_MISSING')", ["cause:SECRET_NOT_OURS:2e"]],
    ["a Secret without a name", "declared = json_remove(declared, '$.spec.destination')", ["cause:SECRET_NOT_OURS:2e"]],
    ["nothing that is known", "state = json_remove(state, '$.error')", undefined],
  ];
  for (const [what, change, awaits] of REFUSED) {
    it(`waits for ${what}, as before`, async () => {
      using place = firstState(`UPDATE body SET ${change} WHERE id = 4;`);
      await using store = openSqliteStore({ path: place.path });
      assert.deepEqual((await rowOf(store, "refused")).state.awaits, awaits);
    });
  }

  it("may have thousands of rows, and references that are none", async () => {
    using place = firstState(`
      UPDATE body SET state = json_set(state, '$.refs', 7) WHERE id = 4;
      WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 2100)
        INSERT INTO body (id, state, declared) SELECT i, state, declared FROM n, body WHERE body.id = 1;
      INSERT INTO sync (key, body, cluster, uid, hash, generation, grp, fence, nudges, look, lane)
        SELECT sync.key || body.id, body.id, 'east', uid, hash, 1, 'g', 1, 0, 0, 'now' FROM body, sync
        WHERE body.id >= 1000 AND sync.body = 1;`);
    await using store = openSqliteStore({ path: place.path });
    let count = 0;
    for (let after: string | undefined = ""; after !== undefined; ) {
      const page: Awaited<ReturnType<typeof store.byReference>> = await store.byReference(aReferenceKey(), { after });
      count += page.items.length;
      after = page.next;
    }
    assert.equal(count, 4 + 1_101);
    assert.equal((await store.byReference("cause:SECRET_NOT_OURS:2e")).items.length, 1);
  });

  it("has the tables and indexes that a new state has", async () => {
    using place = firstState();
    await openSqliteStore({ path: place.path })[Symbol.asyncDispose]();
    using fresh = firstState("");
    rmSync(fresh.path);
    await openSqliteStore({ path: fresh.path })[Symbol.asyncDispose]();
    assert.deepEqual(shapeOf(place.path), shapeOf(fresh.path));
    assert.equal(versionOf(place.path), versionOf(fresh.path));
  });

  it("goes on where it was: a row is claimed, settled and nudged", async () => {
    using place = firstState();
    await using store = openSqliteStore({ path: place.path });
    const row = await rowOf(store, "synced");
    const claim = await store.claim(row, { now: START + 1, until: START + 60_000 });
    const lease = claim?.lease ?? assert.fail("not claimed");
    const state = { ...row.state, place: { vault: "main", path: "kv/db", role: "read" as const } };
    const settlement = { state, schedule: { kind: "parked" as const }, now: START + 2 };
    assert.equal(await store.settle(lease, settlement), "settled");
    assert.deepEqual(
      (await store.byPlace("main", { prefix: "kv" })).items.map(({ key }) => key),
      [row.key],
    );
  });

  it("stays as it was when a step fails", () => {
    using place = firstState("CREATE TABLE place (id INTEGER);");
    const before = shapeOf(place.path);
    assert.throws(() => openSqliteStore({ path: place.path }), /place already exists/);
    assert.deepEqual([shapeOf(place.path), versionOf(place.path)], [before, 1]);
  });

  it("is left alone by commands beside it, which say what to do", () => {
    using place = firstState();
    const remedy = told(/older keyferry \(schema 1, this one has 4\)/, /start keyferry run/);
    assert.throws(() => openSqliteStore({ path: place.path, readOnly: true }), remedy);
    assert.throws(() => openSqliteStore({ path: place.path, asGuest: true }), remedy);
    assert.equal(versionOf(place.path), 1);
  });

  it("is brought up to date in memory for a plan, and the file stays as it is", async () => {
    using place = firstState();
    await using store = simulatedSqliteStore(place.path);
    assert.equal((await rowOf(store, "synced")).state.appliedHash, "h");
    assert.equal(versionOf(place.path), 1);
  });
});

describe("a state of schema 3", () => {
  /** What docs/commands.md says to run. */
  const wayBack = (): string => {
    const text = readFileSync(new URL("../../docs/commands.md", import.meta.url), "utf8");
    return /state\.sqlite "(BEGIN;[^"]+COMMIT)"/.exec(text)?.[1] ?? assert.fail("no way back");
  };

  it("is what the documented way back makes of a newer one, and is brought up to date again with all its rows", async () => {
    using place = firstState();
    await openSqliteStore({ path: place.path })[Symbol.asyncDispose]();
    const newer = shapeOf(place.path);
    const database = new DatabaseSync(place.path);
    database.exec(wayBack());
    database.close();
    assert.equal(versionOf(place.path), 3);
    const inOlder = asked(place.path, (older) => older.prepare("SELECT name FROM sqlite_master").all());
    const added = ["look_up", "taken_post", "taken_post_until", "circuit_event"];
    assert.ok(inOlder.every(({ name }) => !added.includes(`${name}`)));
    await using store = openSqliteStore({ path: place.path });
    assert.deepEqual([shapeOf(place.path), versionOf(place.path)], [newer, 4]);
    assert.equal((await rowOf(store, "synced")).state.appliedHash, "h");
    assert.deepEqual(
      (await store.circuits()).map(({ id }) => id),
      [VAULT],
    );
  });
});

describe("a state of another version", () => {
  it("is refused when it is newer, and stays as it is", () => {
    using place = firstState("PRAGMA user_version = 99;");
    for (const how of [{}, { readOnly: true }, { asGuest: true }]) {
      assert.throws(() => openSqliteStore({ path: place.path, ...how }), told(/newer keyferry \(schema 99/));
    }
    assert.throws(() => simulatedSqliteStore(place.path), told(/newer keyferry/));
    assert.equal(versionOf(place.path), 99);
  });

  it("a plan's copy fails on a table that it does not know", async () => {
    using place = firstState();
    await openSqliteStore({ path: place.path })[Symbol.asyncDispose]();
    const database = new DatabaseSync(place.path);
    database.exec("CREATE TABLE surprise (id INTEGER) STRICT");
    database.close();
    assert.throws(() => simulatedSqliteStore(place.path), /the copy lacks surprise/);
  });
});
