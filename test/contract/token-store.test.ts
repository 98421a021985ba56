import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { MINUTE_MS } from "../../lib/clock.ts";
import type { TokenStore } from "../../lib/ports/tokens.ts";
import { dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { type Dynalite, startDynalite, TEST_CREDENTIALS } from "../harness/dynalite.ts";
import { meter } from "./dynamodb/meter.ts";
import { aStoredToken, tokenStoreContract } from "./token-store.contract.ts";

/** Server and client are one process on a machine that may be busy: a request that is late is not one that failed. */
const timeoutMs = 2 * MINUTE_MS;

let dynalite: Dynalite;
before(async () => {
  dynalite = await startDynalite();
});
after(() => dynalite[Symbol.asyncDispose]());

tokenStoreContract("DynamoDB", async () => {
  const { tokens } = dynamoLeaseStore({ client: dynalite.client, table: await dynalite.createTable(), timeoutMs });
  return { ...tokens, [Symbol.asyncDispose]: async () => {} };
});

function openSqlite() {
  const dir = mkdtempSync(join(tmpdir(), "keyferry-tokens-"));
  const path = join(dir, "state.sqlite");
  const store = openSqliteStore({ path });
  const dispose = async () => {
    await store[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  };
  return { ...store.tokens(), path, close: () => store[Symbol.asyncDispose](), [Symbol.asyncDispose]: dispose };
}

tokenStoreContract("SQLite", async () => openSqlite());

describe("tokens in DynamoDB", () => {
  it("are in no index, and are forgotten by the second in which they end", async () => {
    const table = await dynalite.createTable();
    const client = new DynamoDBClient({
      region: "us-east-1",
      endpoint: dynalite.endpoint,
      credentials: TEST_CREDENTIALS,
    });
    const store = dynamoLeaseStore({ client, table, timeoutMs });
    // The first write marks the table as ours.
    await store.tokens.putToken(aStoredToken({ id: "other" }), undefined);
    const { spent } = meter(client);
    const endsAt = Date.UTC(2030, 0, 1) + 1;
    assert.equal(await store.tokens.putToken(aStoredToken({ endsAt, sealed: "x".repeat(1_400) }), undefined), true);
    const { table: written, reads: _reads, ...indexes } = spent();
    assert.equal(written, 2);
    assert.ok(Object.values(indexes).every((units) => units === 0));
    await store.tokens.token("cluster:east", "identity");
    assert.equal(spent().reads, 1);
    assert.deepEqual(await store.byCluster("east"), []);
    const Key = { pk: { S: "tokens" }, sk: { S: "east/identity" } };
    const { Item } = await client.send(new GetItemCommand({ TableName: table, Key }));
    assert.deepEqual(Item?.expiresAt, { N: String(Date.UTC(2030, 0, 1) / 1_000 + 1) });
    client.destroy();
  });
});

describe("a token of nobody", () => {
  const sound = aStoredToken();
  const nobodys = aStoredToken({ id: "nobodys", by: "nowhere" as NonNullable<typeof sound.by> });
  const { by: _by, ...unclaimed } = aStoredToken({ id: "unclaimed" });

  async function isLeftAside(store: TokenStore, damaged: readonly string[], names: readonly string[]): Promise<void> {
    for (const token of [sound, nobodys, unclaimed]) await store.putToken(token, undefined);
    assert.deepEqual(await store.token("cluster:east", sound.id), sound);
    assert.deepEqual(damaged, []);
    for (const { id } of [nobodys, unclaimed]) assert.equal(await store.token("cluster:east", id), undefined);
    assert.deepEqual(await store.tokens("cluster:east"), [sound]);
    assert.deepEqual(new Set(damaged), new Set(names));
  }

  it("is left aside in SQLite, and told of", async () => {
    const damaged: string[] = [];
    await using store = openSqliteStore({ path: ":memory:", onDamage: (what) => void damaged.push(what) });
    await isLeftAside(store.tokens(), damaged, ["token nobodys", "token unclaimed"]);
  });

  it("is left aside in DynamoDB, and told of", async () => {
    const damaged: string[] = [];
    const table = await dynalite.createTable();
    const onDamage = (what: string) => void damaged.push(what);
    const { tokens } = dynamoLeaseStore({ client: dynalite.client, table, timeoutMs, onDamage });
    await isLeftAside(tokens, damaged, ["token east/nobodys", "token east/unclaimed"]);
    damaged.length = 0;
    await tokens.putToken(aStoredToken({ id: "endless", endsAt: 9e15 }), undefined);
    assert.equal(await tokens.token("cluster:east", "endless"), undefined);
    assert.deepEqual(damaged, ["token east/endless"]);
    const { by: _none, ...fleets } = aStoredToken({ scope: "fleet" });
    await tokens.putToken(fleets, undefined);
    const Key = { pk: { S: "tokens" }, sk: { S: "*/identity" } };
    const { Item } = await dynalite.client.send(new GetItemCommand({ TableName: table, Key }));
    assert.equal(Item?.tokenSerial?.S, fleets.serial, "no cluster can have its name");
  });
});

describe("tokens in SQLite", () => {
  it("are kept from one process to the next, and forgotten together when their key was lost", async () => {
    await using first = openSqlite();
    await first.putToken(aStoredToken(), undefined);
    await first.close();
    await using next = openSqliteStore({ path: first.path });
    assert.deepEqual(await next.tokens().tokens(), [aStoredToken()]);
    assert.equal(await next.tokens().clearTokens(), 1);
    assert.equal(await next.tokens().clearTokens(), 0);
  });
});
