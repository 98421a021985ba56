import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import type { Condition } from "./conditions.ts";
import { toAttributes, type Value, type Values } from "./values.ts";

/** The changes of an update. */
export interface Change {
  /** Undefined removes the attribute. */
  readonly set?: Values;
  /** Adds to numbers, and adds members to a set. */
  readonly add?: { readonly [name: string]: Value };
}

interface Expression {
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue>;
}

export function conditionOf(condition: Condition | undefined): Expression & { readonly ConditionExpression?: string } {
  if (condition === undefined) return {};
  const values = toAttributes(condition.values ?? {});
  return {
    ConditionExpression: condition.text,
    // DynamoDB refuses an empty map.
    ...(Object.keys(values).length === 0 ? {} : { ExpressionAttributeValues: values }),
  };
}

/** Uses placeholders, because many attribute names are reserved words. */
export function updateOf(
  change: Change,
  condition: Condition | undefined,
): Expression & { readonly UpdateExpression: string } {
  const set = Object.entries(change.set ?? {});
  const add = Object.entries(change.add ?? {});
  const clauses = [
    clause(
      "SET",
      set.filter(isThere).map(([name]) => `#${name} = :${name}`),
    ),
    clause(
      "REMOVE",
      set.filter((entry) => !isThere(entry)).map(([name]) => `#${name}`),
    ),
    clause(
      "ADD",
      add.map(([name]) => `#${name} :${name}`),
    ),
  ];
  const values = Object.fromEntries([...set.filter(isThere), ...add].map(([name, value]) => [`:${name}`, value]));
  return {
    UpdateExpression: clauses.filter((text) => text !== "").join(" "),
    ...conditionOf(condition),
    ExpressionAttributeNames: Object.fromEntries([...set, ...add].map(([name]) => [`#${name}`, name])),
    ExpressionAttributeValues: toAttributes({ ...values, ...condition?.values }),
  };
}

function isThere([, value]: readonly [string, Value | undefined]): boolean {
  return value !== undefined;
}

function clause(verb: string, parts: readonly string[]): string {
  return parts.length === 0 ? "" : `${verb} ${parts.join(", ")}`;
}
