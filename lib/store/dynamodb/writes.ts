import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  PutItemCommand,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import type { Asking } from "./asking.ts";
import type { Condition } from "./conditions.ts";
import { cancellationReasons } from "./errors.ts";
import { type Change, conditionOf, updateOf } from "./expressions.ts";
import type { ItemKey } from "./table.ts";
import { fromAttributes, toAttributes, type Values } from "./values.ts";

/** The outcome of a conditional write: the item after it, or the item that failed the condition. */
export type Outcome<T> = { readonly holds: true; readonly item: T } | { readonly holds: false; readonly item?: T };

export type Write =
  | { readonly put: ItemKey & Values; readonly when?: Condition }
  | { readonly remove: ItemKey; readonly when: Condition };

/** Item types are not validated here: the table is ours. */
export interface Writes {
  /** False when the condition failed. */
  put(item: ItemKey & Values, when?: Condition): Promise<boolean>;
  /** For index items, which are counted separately. `before` is the previous item. */
  indexPut<T>(item: ItemKey & Values, when: Condition): Promise<{ readonly holds: boolean; readonly before?: T }>;
  indexRemove(key: ItemKey, when: Condition): Promise<boolean>;
  update<T>(key: ItemKey, change: Change, when: Condition): Promise<Outcome<T>>;
  /** Creates the item, too. Not counted as a written row, because it happens once in a table's life. */
  addToSet(key: ItemKey, attribute: string, member: number): Promise<void>;
  /** Returns the removed item. */
  remove<T>(key: ItemKey, when?: Condition): Promise<Outcome<T | undefined>>;
  /** All or nothing; false when a condition failed, or another write touched these items at the same time. */
  transact(writes: readonly Write[]): Promise<boolean>;
}

/** Returns the item that failed the condition, so that it need not be read again. */
const ANSWER_WHEN_LOST = { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;

export function writes(asking: Asking): Writes {
  const { client, table, ask, written } = asking;
  return {
    put: async (item, when) => {
      const input = { TableName: table, Item: toAttributes(item), ...conditionOf(when) };
      const { holds } = await conditional(
        ask("PutItem", (options) => client.send(new PutItemCommand(input), options)),
        () => undefined,
      );
      if (holds) written(1);
      return holds;
    },
    ...indexWrites(asking),
    update: async <T>(key: ItemKey, change: Change, when: Condition) => {
      const input = {
        TableName: table,
        Key: toAttributes({ ...key }),
        ...updateOf(change, when),
        ...ANSWER_WHEN_LOST,
        ReturnValues: "ALL_NEW" as const,
      };
      const outcome = await conditional(
        ask("UpdateItem", (options) => client.send(new UpdateItemCommand(input), options)),
        ({ Attributes = {} }) => fromAttributes<T>(Attributes),
      );
      if (outcome.holds) written(1);
      return outcome;
    },
    addToSet: async (key, attribute, member) => {
      const change = updateOf({ add: { [attribute]: new Set([member]) } }, undefined);
      const input = { TableName: table, Key: toAttributes({ ...key }), ...change };
      await ask("UpdateItem", (options) => client.send(new UpdateItemCommand(input), options));
    },
    remove: async <T>(key: ItemKey, when?: Condition) => {
      const input = {
        TableName: table,
        Key: toAttributes({ ...key }),
        ...conditionOf(when),
        ...ANSWER_WHEN_LOST,
        ReturnValues: "ALL_OLD" as const,
      };
      const outcome = await conditional(
        ask("DeleteItem", (options) => client.send(new DeleteItemCommand(input), options)),
        ({ Attributes }): T | undefined => Attributes && fromAttributes<T>(Attributes),
      );
      if (outcome.holds && outcome.item !== undefined) written(1);
      return outcome;
    },
    transact: async (all) => {
      const input = { TransactItems: all.map((write) => transactItem(table, write)) };
      const isDone = await ask("TransactWriteItems", (options) =>
        client.send(new TransactWriteItemsCommand(input), options).then(() => true, lostOrThrow),
      );
      if (isDone) written(all.length);
      return isDone;
    },
  };
}

/** Index items in the table itself. */
function indexWrites({ client, table, ask, written }: Asking): Pick<Writes, "indexPut" | "indexRemove"> {
  return {
    indexPut: async <T>(item: ItemKey & Values, when: Condition) => {
      const input = {
        TableName: table,
        Item: toAttributes(item),
        ...conditionOf(when),
        ReturnValues: "ALL_OLD" as const,
      };
      const put = await conditional(
        ask("PutItem", (options) => client.send(new PutItemCommand(input), options)),
        ({ Attributes }): T | undefined => Attributes && fromAttributes<T>(Attributes),
      );
      if (!put.holds) return { holds: false };
      written(1, "indexWrites");
      return put.item === undefined ? { holds: true } : { holds: true, before: put.item };
    },
    indexRemove: async (key, when) => {
      const input = { TableName: table, Key: toAttributes({ ...key }), ...conditionOf(when) };
      const removed = await conditional(
        ask("DeleteItem", (options) => client.send(new DeleteItemCommand(input), options)),
        () => undefined,
      );
      if (removed.holds) written(1, "indexWrites");
      return removed.holds;
    },
  };
}

/** A failed condition is a result, not an error. */
async function conditional<A, T>(request: Promise<A>, itemOf: (answer: A) => T): Promise<Outcome<T>> {
  try {
    return { holds: true, item: itemOf(await request) };
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
    return error.Item === undefined ? { holds: false } : { holds: false, item: fromAttributes<T>(error.Item) };
  }
}

function transactItem(TableName: string, write: Write): TransactWriteItem {
  const condition = { TableName, ...conditionOf(write.when) };
  if ("put" in write) return { Put: { ...condition, Item: toAttributes(write.put) } };
  return { Delete: { ...condition, Key: toAttributes({ ...write.remove }) } };
}

const LOST: ReadonlySet<string> = new Set(["None", "ConditionalCheckFailed", "TransactionConflict"]);

function lostOrThrow(error: unknown): false {
  if (cancellationReasons(error)?.every((reason) => LOST.has(reason))) return false;
  throw error;
}
