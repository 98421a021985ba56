import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import {
  type CreateTableCommandInput,
  DescribeTableCommand,
  type DynamoDBClient,
  type GlobalSecondaryIndex,
  PutItemCommand,
  UpdateItemCommand,
  UpdateTableCommand,
} from "@aws-sdk/client-dynamodb";
import { HOUR_MS } from "../../../lib/clock.ts";
import { referenceKey } from "../../../lib/keys.ts";
import { dynamoClient } from "../../../lib/store/dynamodb/client.ts";
import { dynamoLeaseStore } from "../../../lib/store/dynamodb/dynamodb-store.ts";
import { toAttributes } from "../../../lib/store/dynamodb/values.ts";
import { aKey, aPlace } from "../../builders.ts";
import { createTable } from "../../harness/dynalite.ts";
import { type Ministack, startMinistack, waitFor } from "../../harness/index.ts";

type Table = Pick<
  CreateTableCommandInput,
  "BillingMode" | "KeySchema" | "AttributeDefinitions" | "GlobalSecondaryIndexes"
>;
const { tableAt } = createRequire(import.meta.url)("../../../infra/table.cjs") as {
  readonly tableAt: (step: string) => { readonly Resources: { readonly LeaseTable: { readonly Properties: Table } } };
};

const START = Date.UTC(2030, 0, 1);
const AUTH = referenceKey({ cluster: "east", kind: "VaultAuth", namespace: "shop", name: "default" });

function tableOf(step: string): Table {
  const { BillingMode, KeySchema, AttributeDefinitions, GlobalSecondaryIndexes } =
    tableAt(step).Resources.LeaseTable.Properties;
  return { BillingMode, KeySchema, AttributeDefinitions, GlobalSecondaryIndexes };
}

const indexesOf = (table: Table): readonly GlobalSecondaryIndex[] => table.GlobalSecondaryIndexes ?? [];
const namesOf = (table: Table) => indexesOf(table).map(({ IndexName }) => IndexName ?? "");

/** A row as the first version stored it: on the wheel, parked, or failed. */
function firstItem(name: string, more: Readonly<Record<string, string | number>>) {
  const declared = { labels: {}, annotations: {}, spec: {}, deleting: false };
  return {
    ...{ pk: aKey(name), sk: "sync", cluster: "east", shard: 1, uid: "u", declaredHash: "h", generation: 1, grp: "g" },
    ...{ fence: START, nudges: 0, look: false, lane: "refresh", attempts: 0, vault: "vault:https://v", source: "6e7c" },
    declared: JSON.stringify({ ...declared, seen: { resourceVersion: "1", status: {} } }),
    refs: JSON.stringify([AUTH]),
    owned: JSON.stringify([{ name, uid: "u-1", resourceVersion: "7" }]),
    state: JSON.stringify({
      digest: "k:d",
      version: { number: 4, createdTime: "2029-12-31T00:00:00Z" },
      doneHash: "h",
    }),
    settledAt: START,
    ...more,
  };
}

/** CloudFormation makes or removes one index in each update of a stack: these are the updates, and the way back. */
describe("a deployed table of the first version", { timeout: 120_000 }, () => {
  let aws: Ministack;
  let client: DynamoDBClient;
  const name = "leases-by-steps";

  before(async () => {
    aws = await startMinistack();
    client = dynamoClient(aws.clientConfig);
    await createTable(client, { ...tableOf("0"), TableName: name });
    const items = [
      { pk: "version", sk: "version", version: 1 },
      firstItem("synced", { slot: "51#0", phase: 7 }),
      firstItem("parked", {}),
    ];
    for (const item of items) {
      await client.send(new PutItemCommand({ TableName: name, Item: toAttributes(item) }));
    }
  });
  after(async () => {
    client?.destroy();
    await aws?.[Symbol.asyncDispose]();
  });

  const update = async (from: Table, to: Table) => {
    const [before, after] = [namesOf(from), namesOf(to)];
    const made = indexesOf(to).filter(({ IndexName = "" }) => !before.includes(IndexName));
    const gone = before.filter((index) => !after.includes(index));
    assert.equal(made.length + gone.length, 1, "one index in each update");
    await client.send(
      new UpdateTableCommand({
        TableName: name,
        AttributeDefinitions: to.AttributeDefinitions,
        GlobalSecondaryIndexUpdates: [
          ...made.map((Create) => ({ Create })),
          ...gone.map((IndexName) => ({ Delete: { IndexName } })),
        ],
      }),
    );
    await waitFor("the index", async () => {
      const { Table } = await client.send(new DescribeTableCommand({ TableName: name }));
      const indexes = Table?.GlobalSecondaryIndexes ?? [];
      const isReady = indexes.every(({ IndexStatus }) => IndexStatus === undefined || IndexStatus === "ACTIVE");
      return (isReady && indexes.length === after.length) || undefined;
    });
  };

  it("gets the new indexes one by one, and loses the old one last", async () => {
    const steps = ["0", "1", "2", "3", "last"].map(tableOf);
    assert.deepEqual(namesOf(steps[0] as Table).toSorted(), ["cluster", "due", "source", "wheel"]);
    for (let step = 1; step < steps.length; step++) await update(steps[step - 1] as Table, steps[step] as Table);
    const { Table } = await client.send(new DescribeTableCommand({ TableName: name }));
    assert.deepEqual(Table?.GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName).toSorted(), [
      "cluster",
      "due",
      "place",
      "renew",
      "unsent",
      "wheel",
    ]);
  });

  it("is read as it is, and each row is found by what it says once it was settled", async () => {
    const store = dynamoLeaseStore({ client, table: name });
    const rows = await store.read([aKey("synced"), aKey("parked")], "strong");
    const row = rows.get(aKey("synced")) ?? assert.fail("not read");
    assert.equal(rows.size, 2);
    assert.deepEqual(row.wheel, { period: 51, phase: 7 });
    const { digest, appliedHash, own, waitsFor, refs } = row.state;
    assert.deepEqual(
      { digest, appliedHash, own, waitsFor, refs },
      {
        ...{ digest: "k:d", appliedHash: "h", waitsFor: "vault:https://v", refs: [AUTH] },
        own: { version: { number: 4, createdTime: "2029-12-31T00:00:00Z" } },
      },
    );
    assert.equal((await store.byCluster("east")).length, 2);
    assert.deepEqual((await store.byReference(AUTH)).items, []);
    const { lease } = (await store.claim(row, { now: START + HOUR_MS, until: START + 2 * HOUR_MS })) ?? assert.fail();
    const state = { ...row.state, place: aPlace() };
    await store.settle(lease, { state, schedule: { kind: "parked" }, now: START + HOUR_MS });
    assert.deepEqual((await store.byReference(AUTH)).items, [row.key]);
    assert.deepEqual(
      (await store.byPlace("main", { path: "kv/db" })).items.map(({ key }) => key),
      [row.key],
    );
    assert.equal((await store.read([row.key], "strong")).get(row.key)?.state.appliedHash, "h");
  });

  it("has a way back: the indexes in the opposite order, then its version", async () => {
    const steps = ["last", "3", "2", "1", "0"].map(tableOf);
    for (let step = 1; step < steps.length; step++) await update(steps[step - 1] as Table, steps[step] as Table);
    const version = () =>
      client.send(
        new UpdateItemCommand({
          TableName: name,
          Key: toAttributes({ pk: "version", sk: "version" }),
          UpdateExpression: "SET version = :first",
          ConditionExpression: "version = :second",
          ExpressionAttributeValues: toAttributes({ ":first": 1, ":second": 2 }),
        }),
      );
    await version();
    // Once it was written to, no earlier keyferry works on it until then.
    await assert.rejects(version(), { name: "ConditionalCheckFailedException" });
  });
});
