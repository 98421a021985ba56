import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { PutItemCommand, ScanCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { SyncKey } from "../../lib/keys.ts";
import type { LeaseStore } from "../../lib/ports/store.ts";
import { dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, aReference, aReferenceKey } from "../builders.ts";
import { type Dynalite, startDynalite } from "../harness/dynalite.ts";
import { type TempFolder, tempFolder } from "../harness/index.ts";

const NOW = Date.UTC(2030, 0, 1);
const ALL = { after: 0, until: NOW, now: NOW };
const GOOD = aKey("good");
const BAD = aKey("bad");

/** What stands in the state or the declaration of a row that somebody, or a disk, has damaged. */
const DAMAGE: readonly (readonly [string, string])[] = [
  ["is no JSON", '{"refs":'],
  ["is nothing", ""],
  ["is a list", "[]"],
  ["is null", "null"],
  ["has no members", "{}"],
  ["has members of other types", '{"refs":{},"owned":7,"attempts":"x","spec":[],"seen":null}'],
];

/** A table with a row that is well and one that is not, both due, and the same of references. */
interface Scene extends AsyncDisposable {
  readonly store: LeaseStore;
  readonly damaged: string[];
  damage(column: "state" | "declared", text: string): Promise<void>;
  damageReference(text: string): Promise<void>;
  damageCluster(text: string): Promise<void>;
}

async function filled(store: LeaseStore): Promise<void> {
  for (const key of [BAD, GOOD]) await store.declare(aDeclared({ key }), NOW - 1);
  for (const name of ["bad", "good"]) await store.putReference(aReference({ key: aReferenceKey(name) }));
  for (const name of ["bad", "good"]) {
    const row = await store.claimCluster(name, { now: NOW - 2, until: NOW - 1 });
    assert.ok(row);
    const cursors = { Secret: { resourceVersion: "7", movedAt: NOW } };
    await store.saveCluster(row, { cursors, attempts: 0 }, { dueAt: NOW });
  }
}

function suite(name: string, aScene: () => Promise<Scene>): void {
  describe(`a damaged row in ${name}`, () => {
    for (const [what, text] of DAMAGE) {
      it(`whose state ${what} begins anew, and the others go on`, async () => {
        await using scene = await aScene();
        const { store, damaged } = scene;
        await scene.damage("state", text);
        const rows = await store.read([BAD, GOOD], "strong");
        assert.deepEqual([...rows.keys()].sort(), [BAD, GOOD]);
        assert.deepEqual(rows.get(BAD)?.state, { refs: [], owned: [], attempts: 0 });
        assert.deepEqual((await store.byCluster("east")).map(({ key }) => key).sort(), [BAD, GOOD]);
        assert.deepEqual((await store.due(ALL, 9)).map(({ key }) => key).sort(), [BAD, GOOD]);
        assert.ok(damaged.includes(BAD) && !damaged.includes(GOOD));
        const row = rows.get(BAD) ?? assert.fail();
        const claimed = (await store.claim(row, { now: NOW, until: NOW + 1 })) ?? assert.fail();
        const settlement = { state: claimed.row.state, schedule: { kind: "parked" } as const, now: NOW };
        assert.equal(await store.settle(claimed.lease, settlement), "settled");
        damaged.length = 0;
        assert.ok((await store.read([BAD], "strong")).has(BAD));
        assert.deepEqual(damaged, []);
      });

      it(`whose declaration ${what} is left aside until it is seen again`, async () => {
        await using scene = await aScene();
        const { store, damaged } = scene;
        await scene.damage("declared", text);
        assert.deepEqual([...(await store.read([BAD, GOOD], "strong")).keys()], [GOOD]);
        assert.deepEqual(new Set(damaged), new Set([BAD]));
        assert.equal((await store.byCluster("east")).length, 2);
        assert.equal(await store.declare(aDeclared({ key: GOOD }), NOW), undefined);
        assert.ok(await store.declare(aDeclared({ key: BAD }), NOW));
        assert.deepEqual((await store.read([BAD], "strong")).get(BAD)?.declared, aDeclared({ key: BAD }));
      });

      it(`whose state ${what} can be tombstoned`, async () => {
        await using scene = await aScene();
        await scene.damage("state", text);
        await scene.store.tombstone(BAD, aDeclared({ key: BAD }).uid, NOW);
        assert.deepEqual(
          (await scene.store.byCluster("east")).map(({ key }) => key),
          [GOOD],
        );
      });

      it(`whose reference ${what} is missing until it is seen again`, async () => {
        await using scene = await aScene();
        const { store, damaged } = scene;
        await scene.damageReference(text);
        const [bad, good] = [aReferenceKey("bad"), aReferenceKey("good")];
        assert.deepEqual(
          (await store.referencesOf("east")).map(({ key }) => key),
          [good],
        );
        assert.deepEqual([...(await store.references([bad, good], "strong")).keys()], [good]);
        assert.deepEqual(new Set(damaged), new Set([bad]));
      });

      it(`whose cluster ${what} is listed again`, async () => {
        await using scene = await aScene();
        await scene.damageCluster(text);
        assert.deepEqual((await scene.store.cluster("bad"))?.state, { cursors: {}, attempts: 0 });
        assert.deepEqual(
          (await scene.store.clusters()).map(({ name, state }) => [name, Object.keys(state.cursors)]),
          [
            ["bad", []],
            ["good", ["Secret"]],
          ],
        );
      });
    }
  });
}

describe("rows that can't be read", () => {
  let folder: TempFolder;
  let dynalite: Dynalite;
  let scenes = 0;

  before(async () => {
    folder = await tempFolder("damaged");
    dynalite = await startDynalite();
  });
  after(async () => {
    await dynalite?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  interface SqliteScene extends Scene {
    readonly path: string;
    run(sql: string): void;
    one(sql: string): unknown;
  }
  const sqliteScene = async (): Promise<SqliteScene> => {
    const damaged: string[] = [];
    const path = join(folder.path, `${++scenes}.sqlite`);
    const store = openSqliteStore({ path, onDamage: (key) => void damaged.push(key) });
    await filled(store);
    const run = (sql: string, ...values: string[]): void => {
      const other = new DatabaseSync(path);
      other.prepare(sql).run(...values);
      other.close();
    };
    return {
      store,
      damaged,
      path,
      run,
      one: (sql) => {
        using other = new DatabaseSync(path);
        return other.prepare(sql).get()?.text;
      },
      damage: async (column, text) =>
        run(`UPDATE body SET ${column} = ? WHERE id = (SELECT body FROM sync WHERE key = ?)`, text, BAD),
      damageReference: async (text) => run("UPDATE reference SET body = ? WHERE key = ?", text, aReferenceKey("bad")),
      damageCluster: async (text) => run("UPDATE cluster SET state = ? WHERE name = 'bad'", text),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  };
  suite("SQLite", sqliteScene);

  suite("DynamoDB", async () => {
    const { client } = dynalite;
    const table = await dynalite.createTable();
    const damaged: string[] = [];
    const store = dynamoLeaseStore({ client, table, onDamage: (key) => void damaged.push(key) });
    await filled(store);
    const set = async (sk: string, attribute: string, text: string): Promise<void> => {
      const { Items = [] } = await client.send(new ScanCommand({ TableName: table }));
      const item = Items.find(({ pk, sk: found }) => found?.S === sk || (pk?.S === sk && found?.S === "sync"));
      assert.ok(item?.pk && item.sk);
      await client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: { pk: item.pk, sk: item.sk },
          UpdateExpression: "SET #a = :text",
          ExpressionAttributeNames: { "#a": attribute },
          ExpressionAttributeValues: { ":text": text === "" ? { NULL: true } : { S: text } },
        }),
      );
    };
    return {
      store,
      damaged,
      damage: async (column, text) => {
        await set(BAD, column, text);
        if (column !== "state") return;
        // What has attributes of its own here is damaged the same way.
        if (text.startsWith("{")) for (const name of ["refs", "owned"]) await set(BAD, name, '{"7":');
      },
      damageReference: (text) => set(aReferenceKey("bad"), "reference", text),
      damageCluster: (text) => set("bad", "state", text),
      async [Symbol.asyncDispose]() {},
    };
  });

  it("SQLite: one whose times, versions and cursors are none is read without them", async () => {
    await using scene = await sqliteScene();
    const owned = [{ name: "db", uid: "u", resourceVersion: "not-a-number" }];
    const state = {
      refs: [],
      owned,
      attempts: 0,
      syncedAt: 9e15,
      error: { code: "NO_SUCH_CODE", message: "", since: 1 },
    };
    await scene.damage("state", JSON.stringify(state));
    const [row] = (await scene.store.read([BAD], "strong")).values();
    assert.deepEqual(row?.state.owned, [{ name: "db", uid: "u" }]);
    assert.deepEqual([row?.state.syncedAt, row?.state.error], [undefined, undefined]);
    const cursors = { a: { resourceVersion: "x", movedAt: 1 }, b: { resourceVersion: "7", movedAt: 1 } };
    await scene.damageCluster(JSON.stringify({ cursors, attempts: 0, outOfSight: "yesterday" }));
    assert.deepEqual((await scene.store.cluster("bad"))?.state, {
      cursors: { b: { resourceVersion: "7", movedAt: 1 } },
      attempts: 0,
    });
  });

  it("SQLite: a state that is no JSON keeps no process from starting, nor does a number that JavaScript can't hold", async () => {
    const scene = await sqliteScene();
    await scene.damage("state", "{");
    scene.run(`UPDATE sync SET due_at = 9223372036854775807, lease_until = 9223372036854775807 WHERE key = '${BAD}'`);
    await scene[Symbol.asyncDispose]();
    await using store = openSqliteStore({ path: scene.path });
    assert.equal((await store.byCluster("east")).length, 2);
    await store.expireLeases(NOW);
    assert.deepEqual([...(await store.read([BAD, GOOD], "strong")).keys()].sort(), [BAD, GOOD]);
  });

  it("SQLite: a claim leaves a state that can't be read as it is, for a person", async () => {
    await using scene = await sqliteScene();
    await scene.damage("state", "{");
    const row = (await scene.store.read([BAD], "strong")).get(BAD) ?? assert.fail();
    assert.ok(await scene.store.claim(row, { now: NOW, until: NOW + 1 }));
    assert.equal(
      scene.one(`SELECT state AS text FROM body WHERE id = (SELECT body FROM sync WHERE key = '${BAD}')`),
      "{",
    );
  });

  it("SQLite: a claim of a row whose new declaration can't be read fails, and takes no lease", async () => {
    await using scene = await sqliteScene();
    const row = (await scene.store.read([BAD], "strong")).get(BAD) ?? assert.fail();
    await scene.store.declare(aDeclared({ key: BAD, hash: "changed" }), NOW);
    await scene.damage("declared", "{");
    await assert.rejects(scene.store.claim(row, { now: NOW, until: NOW + 1 }), {
      code: "STORE_INVALID",
      message: new RegExp(`the row ${BAD} of the lease table can't be read`),
    });
    assert.equal(scene.one(`SELECT fence AS text FROM sync WHERE key = '${BAD}'`), row.fence);
  });

  it("SQLite: a key that leads nowhere, a lane or a refresh slot that is none: the others are dispatched", async () => {
    await using scene = await sqliteScene();
    scene.run(`UPDATE sync SET key = 'nowhere', lane = 'fast', period = -4, phase = 0 WHERE key = '${BAD}'`);
    assert.deepEqual(
      (await scene.store.due(ALL, 9)).map(({ key }) => key),
      [GOOD],
    );
    assert.deepEqual(scene.damaged, ["nowhere"]);
    assert.deepEqual(
      (await scene.store.byCluster("east")).map(({ key }) => key),
      [GOOD],
    );
    assert.deepEqual(await scene.store.periods("refresh"), []);
    assert.equal((await scene.store.read(["nowhere" as SyncKey], "strong")).size, 0);
  });

  it("DynamoDB: an item of types that we never write is left aside", async () => {
    const { client } = dynalite;
    const table = await dynalite.createTable();
    const store = dynamoLeaseStore({ client, table });
    await filled(store);
    const strange = { pk: { S: BAD }, sk: { S: "sync" }, cluster: { S: "east" }, shard: { N: "1" }, dueAt: { N: "1" } };
    await client.send(
      new PutItemCommand({ TableName: table, Item: { ...strange, state: { L: [] }, lane: { M: {} } } }),
    );
    assert.deepEqual([...(await store.read([BAD, GOOD], "strong")).keys()], [GOOD]);
    assert.ok((await store.byCluster("east")).some(({ key }) => key === GOOD));
    assert.ok((await store.due(ALL, 9)).some(({ key }) => key === GOOD));
  });
});
