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

/** How a conditional write ended, with the item as it stands after it, or as the condition met it. */
export type Outcome<T> = { readonly holds: true; readonly item: T } | { readonly holds: false; readonly item?: T };

export type Write =
  | { readonly put: ItemKey & Values; readonly when: Condition }
  | { readonly remove: ItemKey; readonly when: Condition };

/** The type of an item is believed: the table is ours. */
export interface Writes {
  /** False when the condition did not hold. */
  put(item: ItemKey & Values, when?: Condition): Promise<boolean>;
  /** Items of indexes, counted apart from rows. `before` is what stood there. */
  indexPut<T>(item: ItemKey & Values, when: Condition): Promise<{ readonly holds: boolean; readonly before?: T }>;
  indexRemove(key: ItemKey, when: Condition): Promise<boolean>;
  update<T>(key: ItemKey, change: Change, when: Condition): Promise<Outcome<T>>;
  /** Makes the item, too. It is not counted as a row that was written: it happens once in the life of a table. */
  addToSet(key: ItemKey, attribute: string, member: number): Promise<void>;
  /** Answers the item that went. */
  remove<T>(key: ItemKey, when?: Condition): Promise<Outcome<T | undefined>>;
  /** All of it or nothing; false when a condition did not hold, or another write was at these items just then. */
  transact(writes: readonly Write[]): Promise<boolean>;
}

/** A lost condition answers the item that it met: nobody needs to read it again. */
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

/** Items of indexes in the table itself. */
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

/** A lost condition is an answer, not an error. */
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
