import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { SyncError } from "../../errors.ts";
import type { Ask, Client } from "./asking.ts";
import { TABLE_VERSION, VERSION } from "./table.ts";
import { fromAttributes, toAttributes } from "./values.ts";

const WRITES: ReadonlySet<string> = new Set(["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]);

/**
 * Checks once that the table has our version. The first write marks the table, also one of the first version: earlier
 * versions then refuse it. Costs one read per process.
 *
 * A guest only asks the deployed functions for work. It never marks the table, since that would stop functions of an
 * earlier version, and writes only where the mark is ours already.
 */
export function versionGuard(
  client: Client,
  table: string,
  ask: Ask,
  asGuest = false,
): (operation: string) => Promise<void> {
  const versionFound = once(async () => {
    const input = { TableName: table, Key: toAttributes({ ...VERSION }), ConsistentRead: true };
    const { Item } = await ask("GetItem", (options) => client.send(new GetItemCommand(input), options));
    if (Item === undefined) return undefined;
    const { version } = fromAttributes<{ readonly version?: number }>(Item);
    demandOurs(table, version, asGuest);
    return version;
  });
  const mark = once(async () => {
    const found = await versionFound();
    if (found === TABLE_VERSION) return;
    if (asGuest) throw notWithThis(table, found);
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

/** Its items remain readable, and are converted when their rows are written. */
const FIRST_VERSION = 1;

function demandOurs(table: string, version: number | undefined, asGuest: boolean): void {
  if (version === TABLE_VERSION || version === FIRST_VERSION) return;
  if (asGuest) throw notWithThis(table, version);
  const other = (version ?? 0) > TABLE_VERSION ? "a newer" : "an older";
  throw new SyncError(
    "STORE_INVALID",
    `Table ${table} was written by ${other} keyferry (layout ${version ?? "unknown"}, this one has ${TABLE_VERSION}): ` +
      "deploy that version, or another table; nothing was changed",
  );
}

function notWithThis(table: string, version: number | undefined): SyncError {
  return new SyncError(
    "STORE_INVALID",
    `Table ${table} has ${version === undefined ? "no layout yet" : `layout ${version}`}, this keyferry has ${TABLE_VERSION}: ` +
      "use the version of keyferry that is deployed, or deploy this version first; nothing was changed",
  );
}

function falseWhenLost(error: unknown): false {
  if (error instanceof ConditionalCheckFailedException) return false;
  throw error;
}

/** Shares one run of the work; a failure is not cached. */
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
