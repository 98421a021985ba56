import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { SyncError } from "../../errors.ts";
import type { Ask, Client } from "./asking.ts";
import { TABLE_VERSION, VERSION } from "./table.ts";
import { fromAttributes, toAttributes } from "./values.ts";

const WRITES: ReadonlySet<string> = new Set(["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]);

/**
 * Finds out once whether the table is of our version; the first write of all marks it, also one of the first version: from then on no
 * earlier keyferry works on it. Costs one read for each process.
 */
export function versionGuard(client: Client, table: string, ask: Ask): (operation: string) => Promise<void> {
  const versionFound = once(async () => {
    const input = { TableName: table, Key: toAttributes({ ...VERSION }), ConsistentRead: true };
    const { Item } = await ask("GetItem", (options) => client.send(new GetItemCommand(input), options));
    if (Item === undefined) return undefined;
    const { version } = fromAttributes<{ readonly version?: number }>(Item);
    demandOurs(table, version);
    return version;
  });
  const mark = once(async () => {
    const found = await versionFound();
    if (found === TABLE_VERSION) return;
    const input = {
      TableName: table,
      Item: toAttributes({ ...VERSION, version: TABLE_VERSION }),
      ...(found === undefined
        ? { ConditionExpression: "attribute_not_exists(pk)" }
        : {
            ConditionExpression: "version = :was",
            ExpressionAttributeValues: toAttributes({ ":was": found }),
          }),
    };
    const isFirst = await ask("PutItem", (options) =>
      client.send(new PutItemCommand(input), options).then(() => true, falseWhenLost),
    );
    if (isFirst) return;
    versionFound.forget();
    await versionFound();
  });
  return async (operation) => {
    await (WRITES.has(operation) ? mark() : versionFound());
  };
}

/** Its items are read as they are, and written anew as their rows are worked on. */
const FIRST_VERSION = 1;

function demandOurs(table: string, version: number | undefined): void {
  if (version === TABLE_VERSION || version === FIRST_VERSION) return;
  const other = (version ?? 0) > TABLE_VERSION ? "a newer" : "an older";
  throw new SyncError(
    "STORE_INVALID",
    `Table ${table} was written by ${other} keyferry (layout ${version ?? "unknown"}, this one has ${TABLE_VERSION}): ` +
      "deploy that version, or another table; nothing was changed",
  );
}

function falseWhenLost(error: unknown): false {
  if (error instanceof ConditionalCheckFailedException) return false;
  throw error;
}

/** One flight for all who ask; a failure is not kept. */
function once<T>(work: () => Promise<T>): (() => Promise<T>) & { forget(): void } {
  let result: Promise<T> | undefined;
  const forget = (): void => {
    result = undefined;
  };
  const ask = (): Promise<T> => {
    if (result !== undefined) return result;
    const asked = work();
    result = asked;
    asked.catch(forget);
    return asked;
  };
  return Object.assign(ask, { forget });
}
