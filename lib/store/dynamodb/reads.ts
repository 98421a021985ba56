import { setTimeout as sleep } from "node:timers/promises";
import { type AttributeValue, BatchGetItemCommand, GetItemCommand, QueryCommand } from "@aws-sdk/client-dynamodb";
import { SyncError } from "../../errors.ts";
import type { Asking } from "./asking.ts";
import type { IndexName, ItemKey } from "./table.ts";
import { fromAttributes, toAttribute, toAttributes, type Value } from "./values.ts";

/** Keys in one BatchGetItem: DynamoDB's limit. */
const BATCH = 100;
/** How often the rest of a batch is read again, after pauses that double from this one, in ms. */
const BATCH_TRIES = 6;
const BATCH_PAUSE_MS = 50;

/** An eventual read costs half of a strong one; conditions protect writes based on it. */
export type Consistency = "strong" | "eventual";

export interface Query {
  /** Index reads are eventual, table reads strong. */
  readonly index?: IndexName;
  readonly partition: readonly [attribute: string, value: Value];
  /** Both ends included. */
  readonly between?: readonly [attribute: string, from: number, to: number];
  readonly startsWith?: readonly [attribute: string, prefix: string];
  readonly equals?: readonly [attribute: string, value: string];
  /** Items in one page. */
  readonly limit?: number;
}

/** Item types are not validated here: the table is ours. */
export interface Reads {
  get<T>(key: ItemKey, consistency: Consistency): Promise<T | undefined>;
  /** The existing ones of these items, unordered. */
  getAll<T>(keys: readonly ItemKey[], consistency: Consistency): Promise<readonly T[]>;
  /** Pages of items, in the order of the sort key. */
  pages<T>(query: Query): AsyncGenerator<readonly T[]>;
  query<T>(query: Query): Promise<readonly T[]>;
  /** One page of at most `limit` items; `next` is the start of the following one. */
  page<T>(query: Query, from: string | undefined): Promise<{ readonly items: readonly T[]; readonly next?: string }>;
}

export function reads(asking: Asking): Reads {
  const { client, table, ask } = asking;
  const pages = <T>(query: Query) => paging<T>(asking, query);
  return {
    get: async <T>(key: ItemKey, consistency: Consistency) => {
      const input = { TableName: table, Key: toAttributes({ ...key }), ConsistentRead: consistency === "strong" };
      const { Item } = await ask("GetItem", (options) => client.send(new GetItemCommand(input), options));
      return Item && fromAttributes<T>(Item);
    },
    getAll: async <T>(keys: readonly ItemKey[], consistency: Consistency) => {
      // DynamoDB refuses a batch with duplicates.
      const distinct = [...new Map(keys.map((key) => [`${key.pk}\n${key.sk}`, key])).values()];
      const batches: Promise<readonly T[]>[] = [];
      for (let from = 0; from < distinct.length; from += BATCH) {
        batches.push(batchOf<T>(asking, distinct.slice(from, from + BATCH), consistency));
      }
      return (await Promise.all(batches)).flat();
    },
    pages,
    page: async <T>(query: Query, from: string | undefined) => {
      const start = from === undefined ? {} : { ExclusiveStartKey: JSON.parse(from) as Record<string, AttributeValue> };
      const input = { ...inputOf(table, query), ...start };
      const answer = await ask("Query", (options) => client.send(new QueryCommand(input), options));
      const { LastEvaluatedKey: last } = answer;
      const items = (answer.Items ?? []).map((item) => fromAttributes<T>(item));
      return last === undefined ? { items } : { items, next: JSON.stringify(last) };
    },
    query: async <T>(query: Query) => {
      const found: T[] = [];
      for await (const page of pages<T>(query)) for (const item of page) found.push(item);
      return found;
    },
  };
}

async function* paging<T>({ client, table, ask }: Asking, query: Query): AsyncGenerator<readonly T[]> {
  const { between } = query;
  if (between !== undefined && between[1] > between[2]) return;
  const input = inputOf(table, query);
  let from: Record<string, AttributeValue> | undefined;
  do {
    const paged = from === undefined ? input : { ...input, ExclusiveStartKey: from };
    const answer = await ask("Query", (options) => client.send(new QueryCommand(paged), options));
    yield (answer.Items ?? []).map((item) => fromAttributes<T>(item));
    from = answer.LastEvaluatedKey;
  } while (from !== undefined);
}

function inputOf(table: string, query: Query) {
  const { index, partition, limit } = query;
  const range = rangeOf(query);
  return {
    TableName: table,
    ...(index === undefined ? { ConsistentRead: true } : { IndexName: index }),
    KeyConditionExpression: `#of = :of${range.text}`,
    ExpressionAttributeNames: { "#of": partition[0], ...range.names },
    ExpressionAttributeValues: { ":of": toAttribute(partition[1]), ...range.values },
    ...(limit === undefined ? {} : { Limit: limit }),
  };
}

/** The sort key's condition of a query. */
function rangeOf({ between, startsWith, equals }: Query) {
  if (equals !== undefined) {
    return { text: " AND #by = :by", names: { "#by": equals[0] }, values: { ":by": toAttribute(equals[1]) } };
  }
  if (between !== undefined) {
    const values = { ":from": toAttribute(between[1]), ":to": toAttribute(between[2]) };
    return { text: " AND #by BETWEEN :from AND :to", names: { "#by": between[0] }, values };
  }
  if (startsWith === undefined) return { text: "", names: {}, values: {} };
  const values = { ":prefix": toAttribute(startsWith[1]) };
  return { text: " AND begins_with(#by, :prefix)", names: { "#by": startsWith[0] }, values };
}

/** Reads one batch; items that DynamoDB leaves out are read again, and finally reported (lease-table 17). */
async function batchOf<T>(asking: Asking, keys: readonly ItemKey[], consistency: Consistency): Promise<readonly T[]> {
  const { client, table, ask, random } = asking;
  const found: T[] = [];
  let left = keys.map((key) => toAttributes({ ...key }));
  for (let tries = 1; ; tries++) {
    const input = { RequestItems: { [table]: { Keys: left, ConsistentRead: consistency === "strong" } } };
    const answer = await ask("BatchGetItem", (options) => client.send(new BatchGetItemCommand(input), options));
    for (const item of answer.Responses?.[table] ?? []) found.push(fromAttributes<T>(item));
    left = answer.UnprocessedKeys?.[table]?.Keys ?? [];
    if (left.length === 0) return found;
    if (tries === BATCH_TRIES) {
      throw new SyncError(
        "STORE_UNAVAILABLE",
        `DynamoDB left out ${left.length} items of table ${table} ${tries} times`,
      );
    }
    await sleep(BATCH_PAUSE_MS * 2 ** (tries - 1) * (0.5 + random() / 2));
  }
}
