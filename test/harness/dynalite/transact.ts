import {
  type ApiError,
  type Consumed,
  db,
  type ItemDb,
  type Store,
  type Table,
  validationOf,
  validations,
} from "./dynalite-parts.ts";
import { type Item, indexUnits } from "./index-units.ts";

interface Write {
  readonly Put?: { readonly TableName: string; readonly Item: Item };
  readonly Delete?: { readonly TableName: string; readonly Key: Item };
}

export interface TransactRequest {
  readonly TransactItems: readonly Write[];
  readonly ReturnConsumedCapacity?: string;
}

interface Step {
  readonly data: ReturnType<typeof validations.checkTypes>;
  readonly key: string;
  readonly after: Item | undefined;
}

/** TransactWriteItems of puts and deletes in one table, by dynalite's own locks, conditions and indexes. */
export async function transactWriteItems(store: Store, request: TransactRequest): Promise<object> {
  const name = tableOf(request);
  const table = await settled<Table>((done) => store.getTable(name, done));
  const steps = request.TransactItems.map((write) => stepOf(store, table, write));
  const items = store.getItemDb(name);
  const release = await locked(
    items,
    steps.map(({ key }) => key),
  );
  try {
    const before = await Promise.all(steps.map(({ key }) => itemAt(items, key)));
    const lost = steps.map(({ data }, n) => db.checkConditional(data, before[n]) ?? undefined);
    if (lost.some((error) => error !== undefined)) throw cancelled(lost);
    for (const [n, step] of steps.entries()) await write(store, table, items, before[n], step);
    const consumed =
      request.ReturnConsumedCapacity === undefined ? undefined : [consumedBy(table, name, steps, before)];
    return { ConsumedCapacity: consumed };
  } finally {
    release();
  }
}

function tableOf({ TransactItems }: TransactRequest): string {
  const [first] = TransactItems;
  return (first?.Put ?? first?.Delete)?.TableName ?? "";
}

function stepOf(store: Store, table: Table, { Put, Delete }: Write): Step {
  const { types, custom } = validationOf(Put ? "putItem" : "deleteItem");
  const data = validations.checkTypes({ ...(Put ?? Delete) }, types);
  validations.checkValidations(data, types, custom, store);
  return { data, key: db.createKey(Put?.Item ?? Delete?.Key ?? {}, table), after: Put?.Item };
}

async function write(store: Store, table: Table, items: ItemDb, before: Item | undefined, { key, after }: Step) {
  await settled((done) => db.updateIndexes(store, table, before, after ?? null, done));
  await settled((done) => (after === undefined ? items.del(key, done) : items.put(key, after, done)));
}

async function itemAt(items: ItemDb, key: string): Promise<Item | undefined> {
  try {
    return await settled<Item | undefined>((done) => items.get(key, done));
  } catch (error) {
    if (error instanceof Error && error.name === "NotFoundError") return undefined;
    throw error;
  }
}

function locked(items: ItemDb, keys: readonly string[]): Promise<() => void> {
  return new Promise((resolve) => items.lock(keys, (release) => resolve(release(() => {}))));
}

/** A transaction's writes cost double in the table, and as ever in the indexes. */
function consumedBy(
  table: Table,
  name: string,
  steps: readonly Step[],
  before: readonly (Item | undefined)[],
): Consumed & { TableName: string } {
  const units: Record<string, { CapacityUnits: number }> = {};
  let total = 0;
  for (const [n, { after }] of steps.entries()) {
    const asked = { TableName: name, ReturnConsumedCapacity: "TOTAL" };
    total += 2 * (db.addConsumedCapacity(asked, false, before[n], after)?.CapacityUnits ?? 0);
    for (const [index, { CapacityUnits }] of Object.entries(
      indexUnits(table.GlobalSecondaryIndexes ?? [], before[n], after),
    )) {
      units[index] = { CapacityUnits: (units[index]?.CapacityUnits ?? 0) + CapacityUnits };
      total += CapacityUnits;
    }
  }
  return { TableName: name, CapacityUnits: total, GlobalSecondaryIndexes: units };
}

function cancelled(lost: readonly (ApiError | undefined)[]): ApiError {
  const reasons = lost.map((error) => (error === undefined ? { Code: "None" } : { Code: "ConditionalCheckFailed" }));
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.map(({ Code }) => Code).join(", ")}]`;
  return Object.assign(new Error(message), {
    statusCode: 400,
    body: {
      __type: "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
      message,
      CancellationReasons: reasons,
    },
  });
}

function settled<T = void>(work: (done: (error: unknown, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    work((error, result) => (error ? reject(error) : resolve(result)));
  });
}
