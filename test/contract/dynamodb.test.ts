import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { DynamoDBClient, GetItemCommand, PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { HOUR_MS } from "../../lib/clock.ts";
import { cleanupKey } from "../../lib/keys.ts";
import { EMPTY_STATE } from "../../lib/ports/rows.ts";
import type { LeaseStore } from "../../lib/ports/store.ts";
import { dynamoClient } from "../../lib/store/dynamodb/client.ts";
import { dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { aDeclared, aKey } from "../builders.ts";
import { leaseTable } from "../harness/dynalite/lease-table.ts";
import { createTable, type Dynalite, startDynalite, TEST_CREDENTIALS } from "../harness/dynalite.ts";
import { dynamoBetweenContract } from "./dynamodb/between.contract.ts";
import { dynamoLeftBetweenContract } from "./dynamodb/left-between.contract.ts";
import { meter } from "./dynamodb/meter.ts";
import { dynamoRefreshSlotsContract } from "./dynamodb/refresh-slots.contract.ts";
import { throttling } from "./dynamodb/throttling.ts";
import { TYPICAL_KEY, typicalDeclared } from "./dynamodb/typical.ts";
import { dynamoUnitsContract } from "./dynamodb/units.contract.ts";
import { LEASE_MS, SLOT, START } from "./lease-store/scene.ts";

let dynalite: Dynalite;
before(async () => {
  dynalite = await startDynalite();
});
after(() => dynalite[Symbol.asyncDispose]());

dynamoUnitsContract("dynalite", () => dynalite.endpoint);
dynamoRefreshSlotsContract(() => dynalite);
dynamoBetweenContract(() => dynalite);
dynamoLeftBetweenContract(() => dynalite);

const WHEEL = { kind: "wheel", slot: SLOT } as const;

async function aStore(): Promise<LeaseStore & { readonly table: string }> {
  const table = await dynalite.createTable();
  return { ...dynamoLeaseStore({ client: dynalite.client, table }), table };
}

async function itemsOf(table: string): Promise<readonly string[]> {
  const { Items = [] } = await dynalite.client.send(new ScanCommand({ TableName: table }));
  return Items.map(({ pk }) => pk?.S ?? "").sort();
}

/** A declaration whose text is too big for its row. */
function big(name = "db", bytes = 5_000, hash = `big-${bytes}`) {
  return aDeclared({ key: aKey(name), spec: { template: "x".repeat(bytes) }, hash });
}

describe("accepted POSTs", () => {
  it("are known to every process, each for its Vault, until some time after their end", async () => {
    const table = await dynalite.createTable();
    const [one, other] = [0, 1].map(() => dynamoLeaseStore({ client: dynalite.client, table }).posts);
    assert.equal(await one?.isKnown("main", "id"), false);
    await one?.remember("main", "id", START + HOUR_MS);
    await other?.remember("main", "id", START + HOUR_MS);
    assert.deepEqual([await other?.isKnown("main", "id"), await other?.isKnown("other", "id")], [true, false]);
    const { Items = [] } = await dynalite.client.send(new ScanCommand({ TableName: table }));
    const [item] = Items.filter(({ pk }) => pk?.S === "post:main");
    assert.equal(item?.expiresAt?.N, String((START + HOUR_MS) / 1_000));
  });
});

describe("revocations of our own", () => {
  it("are known to every process, until some time after six hours", async () => {
    const table = await dynalite.createTable();
    const [one, other] = [0, 1].map(() => dynamoLeaseStore({ client: dynalite.client, table }).ownCalls(() => START));
    assert.equal(await other?.isNoted("id"), false);
    await one?.note("id");
    await one?.note("id");
    assert.deepEqual([await other?.isNoted("id"), await other?.isNoted("other")], [true, false]);
    const { Items = [] } = await dynalite.client.send(new ScanCommand({ TableName: table }));
    const [item] = Items.filter(({ pk }) => pk?.S === "call:id");
    assert.equal(item?.expiresAt?.N, String((START + 6 * HOUR_MS) / 1_000));
  });
});

describe("the time at which lines of a Vault last came", () => {
  it("is the latest that any process noted, for each Vault", async () => {
    const table = await dynalite.createTable();
    const [one, other] = [0, 1].map(() => dynamoLeaseStore({ client: dynalite.client, table }).heard);
    assert.equal(await one?.heardAt("main"), undefined);
    await one?.noteHeard("main", START);
    await other?.noteHeard("main", START + HOUR_MS);
    assert.deepEqual([await one?.heardAt("main"), await one?.heardAt("other")], [START + HOUR_MS, undefined]);
  });
});

describe("the last good fleet", () => {
  it("is the latest upload that any process noted, for each place", async () => {
    const table = await dynalite.createTable();
    const [one, other] = [0, 1].map(() => dynamoLeaseStore({ client: dynalite.client, table }).goodFleets);
    assert.equal(await one?.noted("s3://bucket/fleet.yaml"), undefined);
    await one?.note("s3://bucket/fleet.yaml", { id: "second", at: START + 1_000 });
    await other?.note("s3://bucket/fleet.yaml", { id: "first", at: START });
    assert.equal(await other?.noted("s3://bucket/fleet.yaml"), "second");
    await other?.note("s3://bucket/fleet.yaml", { id: "third", at: START + 1_000 });
    assert.equal(await one?.noted("s3://bucket/fleet.yaml"), "third");
    assert.equal(await one?.noted("s3://other/fleet.yaml"), undefined);
  });
});

describe("reads", () => {
  it("lease-table 17: a refresh reads a row for half a unit, new work for a whole one", async () => {
    const client = new DynamoDBClient({
      region: "us-east-1",
      endpoint: dynalite.endpoint,
      credentials: TEST_CREDENTIALS,
    });
    const store = dynamoLeaseStore({ client, table: await dynalite.createTable() });
    const { spent } = meter(client);
    await store.declare(typicalDeclared(), START);
    spent();
    await store.read([TYPICAL_KEY], "eventual");
    assert.equal(spent().reads, 0.5);
    await store.read([TYPICAL_KEY], "strong");
    assert.equal(spent().reads, 1);
    client.destroy();
  });

  it("lease-table 17: what a batch leaves out is asked for again", { timeout: 60_000 }, async () => {
    const store = await aStore();
    // Over a MB: DynamoDB and dynalite both stop there and leave keys unprocessed.
    const names = Array.from({ length: 12 }, (_, n) => `n${n}`);
    for (const name of names) await store.declare(big(name, 200_000), START);
    const rows = await store.read(
      names.map((name) => aKey(name)),
      "eventual",
    );
    assert.equal(rows.size, names.length);
    assert.ok([...rows.values()].every(({ declared }) => JSON.stringify(declared.spec).length > 200_000));
  });

  it("lease-table 17: what a batch leaves out again and again is reported as failed", { timeout: 60_000 }, async () => {
    await using proxy = await throttling(dynalite.endpoint);
    const table = await dynalite.createTable();
    // Without time-outs: a request that is late would be sent, and counted, once more.
    const client = new DynamoDBClient({ region: "us-east-1", endpoint: proxy.endpoint, credentials: TEST_CREDENTIALS });
    const store = dynamoLeaseStore({ client, table, random: () => 0 });
    await store.declare(aDeclared(), START);
    proxy.leavesOut = true;
    await assert.rejects(store.read([aKey()], "eventual"), {
      code: "STORE_UNAVAILABLE",
      message: `DynamoDB left out 1 items of table ${table} 6 times`,
    });
    assert.equal(proxy.refused, 6);
    proxy.leavesOut = false;
    assert.equal((await store.read([aKey()], "eventual")).size, 1);
    client.destroy();
  });

  it("a key that is asked for twice is read once", async () => {
    const store = await aStore();
    await store.declare(aDeclared(), START);
    assert.equal((await store.read([aKey(), aKey()], "strong")).size, 1);
  });
});

describe("declarations too big for a row", () => {
  it("lease-table 25: stand in an item of their own, which goes with the version that it holds", async () => {
    const store = await aStore();
    await store.declare(big(), START);
    assert.equal((await itemsOf(store.table)).filter((pk) => pk.startsWith("body:")).length, 1);
    await store.declare(big("db", 6_000), START + 1);
    assert.equal((await itemsOf(store.table)).filter((pk) => pk.startsWith("body:")).length, 1);
    const row = (await store.read([aKey()], "strong")).get(aKey());
    assert.deepEqual(row?.declared, big("db", 6_000));
    await store.declare(aDeclared({ hash: "small" }), START + 2);
    assert.deepEqual(await itemsOf(store.table), [aKey(), "version"]);
  });

  it("lease-table 25: follow their row into its clean-up, and go with that", async () => {
    const store = await aStore();
    const declared = big();
    await store.declare(declared, START);
    const row = (await store.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
    const times = { now: START, until: START + LEASE_MS };
    const { lease } = (await store.claim(row, { ...times, owned: [{ name: "db" }] })) ?? assert.fail();
    const state = { ...EMPTY_STATE, owned: [{ name: "db" }] };
    await store.settle(lease, { state, schedule: { kind: "parked" }, now: START });
    await store.tombstone(aKey(), declared.uid, START);
    const key = cleanupKey(aKey(), declared.uid);
    const cleanup = (await store.read([key], "strong")).get(key) ?? assert.fail();
    assert.deepEqual(cleanup.declared, { ...declared, key });
    const last = (await store.claim(cleanup, times)) ?? assert.fail();
    await store.settle(last.lease, { state: EMPTY_STATE, schedule: { kind: "gone" }, now: START });
    assert.deepEqual(await itemsOf(store.table), ["version"]);
  });

  it("lease-table 5: a claim answers the declaration as it stands, also when it was changed since the read", async () => {
    const store = await aStore();
    await store.declare(big(), START);
    const read = (await store.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
    await store.declare(big("db", 7_000), START + 1);
    const claimed = await store.claim(read, { now: START + 1, until: START + LEASE_MS });
    assert.deepEqual(claimed?.row.declared, big("db", 7_000));
  });
});

describe("many at once", () => {
  it("lease-table 9: of 20 nudges at once one makes the row due, and under a lease none is lost", async () => {
    const store = await aStore();
    await store.declare(aDeclared(), START);
    const row = (await store.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
    const { lease } = (await store.claim(row, { now: START, until: START + LEASE_MS })) ?? assert.fail();
    const nudges = (now: number) => Array.from({ length: 20 }, () => store.nudge(aKey(), { now, verify: false }));
    await Promise.all(nudges(START + 1));
    assert.equal((await store.read([aKey()], "strong")).get(aKey())?.nudges, 1);
    assert.equal(await store.settle(lease, { state: EMPTY_STATE, schedule: WHEEL, now: START + 2 }), "nudged");
    const next = (await store.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
    const again = (await store.claim(next, { now: START + 2, until: START + LEASE_MS })) ?? assert.fail();
    await store.settle(again.lease, { state: EMPTY_STATE, schedule: WHEEL, now: START + 3 });
    const due = (await Promise.all(nudges(START + HOUR_MS))).filter((each) => each !== undefined);
    assert.equal(due.length, 1);
    assert.equal((await store.read([aKey()], "strong")).get(aKey())?.nudges, 2);
  });

  it("lease-table 8: of ten who tombstone one declaration all agree, and one clean-up is left", async () => {
    const store = await aStore();
    const declared = aDeclared();
    await store.declare(declared, START);
    const row = (await store.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
    await store.claim(row, { now: START, until: START + LEASE_MS, owned: [{ name: "db" }] });
    await Promise.all(Array.from({ length: 10 }, () => store.tombstone(aKey(), declared.uid, START)));
    const key = cleanupKey(aKey(), declared.uid);
    assert.deepEqual(await itemsOf(store.table), [key, "version"]);
    // One for the claim, one for the tombstone.
    assert.equal((await store.read([key], "strong")).get(key)?.fence, row.fence + 2);
  });
});

describe("tables that can't be used", () => {
  const told =
    (code: string, ...words: readonly RegExp[]) =>
    (error: unknown) =>
      error instanceof Error &&
      "code" in error &&
      error.code === code &&
      words.every((word) => word.test(error.message));

  it("a table that is not there is STORE_MISSING, with its name", async () => {
    const store = dynamoLeaseStore({ client: dynalite.client, table: "not-there" });
    await assert.rejects(store.circuits(), told("STORE_MISSING", /table not-there/, /deploy/));
    await assert.rejects(store.declare(aDeclared(), START), told("STORE_MISSING"));
  });

  it("a table that comes later is used, without a restart", async () => {
    const store = dynamoLeaseStore({ client: dynalite.client, table: "comes-later" });
    await assert.rejects(store.circuits(), told("STORE_MISSING"));
    await createTable(dynalite.client, { ...leaseTable(), TableName: "comes-later" });
    assert.deepEqual(await store.circuits(), []);
  });

  it("a table of another version is STORE_INVALID, and is not written to", async () => {
    const store = await aStore();
    const Item = { pk: { S: "version" }, sk: { S: "version" }, version: { N: "99" } };
    await dynalite.client.send(new PutItemCommand({ TableName: store.table, Item }));
    await assert.rejects(store.declare(aDeclared(), START), told("STORE_INVALID", /newer keyferry \(layout 99/));
    await assert.rejects(store.read([aKey()], "eventual"), told("STORE_INVALID"));
    assert.deepEqual(await itemsOf(store.table), ["version"]);
  });

  it("a command that asks for work leaves a table of an earlier layout as it is, and its functions go on", async () => {
    const store = await aStore();
    await store.declare(aDeclared(), START);
    const Item = { pk: { S: "version" }, sk: { S: "version" }, version: { N: "1" } };
    await dynalite.client.send(new PutItemCommand({ TableName: store.table, Item }));
    const guest = dynamoLeaseStore({ client: dynalite.client, table: store.table, asGuest: true });
    const before = await guest.read([aKey()], "strong");
    await assert.rejects(
      guest.nudge(aKey(), { now: START, verify: true }),
      told("STORE_INVALID", /layout 1, .* deployed/),
    );
    assert.deepEqual(await guest.read([aKey()], "strong"), before);
    const { Item: mark } = await dynalite.client.send(
      new GetItemCommand({ TableName: store.table, Key: { pk: { S: "version" }, sk: { S: "version" } } }),
    );
    assert.deepEqual(mark, Item);
  });

  it("an empty table is read without being marked, and marked once by the first writes", async () => {
    const store = await aStore();
    assert.equal(await store.dispatchedUntil("refresh"), undefined);
    assert.deepEqual(await itemsOf(store.table), []);
    await Promise.all([store.moveDispatched("refresh", undefined, START), store.declare(aDeclared(), START)]);
    assert.deepEqual(await itemsOf(store.table), ["cursor", aKey(), "version"]);
  });

  it("a table of someone else is STORE_INVALID", async () => {
    await createTable(dynalite.client, {
      TableName: "theirs",
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    });
    const store = dynamoLeaseStore({ client: dynalite.client, table: "theirs" });
    await assert.rejects(store.circuits(), told("STORE_INVALID", /table theirs/i, /not a lease table/));
  });

  it("a table without its indexes is STORE_MISSING", async () => {
    const { KeySchema, BillingMode } = leaseTable();
    const AttributeDefinitions = ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" as const }));
    const input = { TableName: "without-indexes", KeySchema, BillingMode, AttributeDefinitions };
    await createTable(dynalite.client, input);
    const store = dynamoLeaseStore({ client: dynalite.client, table: "without-indexes" });
    await assert.rejects(store.byCluster("east"), told("STORE_MISSING", /lacks an index/));
  });

  it("a DynamoDB that does not answer is STORE_UNAVAILABLE, within the client's time-outs", {
    timeout: 30_000,
  }, async () => {
    const client = dynamoClient({ region: "us-east-1", endpoint: "http://127.0.0.1:9", credentials: TEST_CREDENTIALS });
    const store = dynamoLeaseStore({ client, table: "any" });
    await assert.rejects(store.circuits(), told("STORE_UNAVAILABLE", /did not answer GetItem on table any/));
    client.destroy();
  });
});

describe("a settle that a nudge is quicker than", () => {
  it("forgets no text of the declaration, since the row stays", async () => {
    const store = await aStore();
    await store.declare(big(), START);
    const row = (await store.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
    const { lease } = (await store.claim(row, { now: START, until: START + LEASE_MS })) ?? assert.fail();
    await store.nudge(aKey(), { now: START, verify: false });
    const settlement = { state: EMPTY_STATE, schedule: { kind: "gone" }, now: START } as const;
    assert.equal(await store.settle(lease, settlement), "nudged");
    const still = (await store.read([aKey()], "strong")).get(aKey());
    assert.deepEqual(still?.declared.spec, big().spec);
  });

  it("lease-table 30: leaves nothing of an expectation that it reached", async () => {
    const store = await aStore();
    await store.declare(aDeclared(), START);
    const row = (await store.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
    const { lease } = (await store.claim(row, { now: START, until: START + LEASE_MS })) ?? assert.fail();
    await store.nudge(aKey(), { now: START, verify: false, expect: { version: 4 } });
    await store.settle(lease, { state: EMPTY_STATE, schedule: WHEEL, reached: 4, now: START });
    const { Items = [] } = await dynalite.client.send(new ScanCommand({ TableName: store.table }));
    assert.deepEqual(
      Items.flatMap(Object.keys).filter((name) => name.startsWith("expect")),
      [],
    );
  });
});
