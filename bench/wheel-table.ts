import { BatchWriteItemCommand, DynamoDBClient, type WriteRequest } from "@aws-sdk/client-dynamodb";
import { SECOND_MS } from "../lib/clock.ts";
import { EMPTY_STATE, type RefreshSlot } from "../lib/ports/rows.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import { dynamoLeaseStore } from "../lib/store/dynamodb/dynamodb-store.ts";
import { slotAttributes } from "../lib/store/dynamodb/rows.ts";
import { syncAt } from "../lib/store/dynamodb/table.ts";
import { toAttributes, type Values } from "../lib/store/dynamodb/values.ts";
import type { aDeclared } from "../test/builders.ts";
import { type Meter, meter } from "../test/contract/dynamodb/meter.ts";
import { type Dynalite, TEST_CREDENTIALS } from "../test/harness/dynalite.ts";

/** One row that is to stand on the wheel. */
export interface OnWheel {
  readonly declared: ReturnType<typeof aDeclared>;
  readonly slot: RefreshSlot;
}

/** A lease store on a table of dynalite, and what it says that requests consume. */
export interface WheelTable extends Disposable {
  readonly store: LeaseStore;
  readonly meter: Meter;
}

/** Items in one BatchWriteItem: DynamoDB's limit. */
const BATCH = 25;
const AT_ONCE = 8;

/**
 * A table whose rows have the refresh slots that are given. The first row is declared, claimed and settled; the others are put as far as
 * the wheel's index projects them: a tick reads nothing else of a row, and a server in memory would not hold a million whole ones.
 */
export async function wheelTable(dynalite: Dynalite, rows: Iterable<OnWheel>, now: number): Promise<WheelTable> {
  const client = new DynamoDBClient({
    region: "us-east-1",
    endpoint: dynalite.endpoint,
    credentials: TEST_CREDENTIALS,
  });
  const table = await dynalite.createTable();
  const store = dynamoLeaseStore({ client, table });
  const all = rows[Symbol.iterator]();
  const first = all.next();
  if (!first.done) await settle(store, first.value, now);
  const left = batches(all);
  const put = async (): Promise<void> => {
    for (const requests of left) await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: requests } }));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, put));
  return { store, meter: meter(client), [Symbol.dispose]: () => client.destroy() };
}

/** Through the store, so that the table knows the period. */
async function settle(store: LeaseStore, { declared, slot }: OnWheel, now: number): Promise<void> {
  await store.declare(declared, now);
  const row = (await store.read([declared.key], "strong")).get(declared.key);
  const claimed = row && (await store.claim(row, { now, until: now + 90 * SECOND_MS }));
  if (!claimed) throw new Error("no claim");
  await store.settle(claimed.lease, { state: EMPTY_STATE, schedule: { kind: "wheel", slot }, now });
}

function* batches(rows: Iterator<OnWheel>): Generator<WriteRequest[]> {
  let batch: WriteRequest[] = [];
  for (let next = rows.next(); !next.done; next = rows.next()) {
    const { declared, slot } = next.value;
    const item: Values = { ...syncAt(declared.key), grp: declared.group, ...slotAttributes(slot) };
    batch.push({ PutRequest: { Item: toAttributes(item) } });
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
