import type { ConsumedCapacity, DynamoDBClient } from "@aws-sdk/client-dynamodb";

/** Capacity units by where they were spent. */
export interface Units {
  readonly reads: number;
  readonly table: number;
  readonly due: number;
  readonly wheel: number;
  readonly renew: number;
  readonly place: number;
  readonly unsent: number;
  readonly cluster: number;
}

const NOTHING: Units = { reads: 0, table: 0, due: 0, wheel: 0, renew: 0, place: 0, unsent: 0, cluster: 0 };
const READS: ReadonlySet<string> = new Set(["GetItemCommand", "BatchGetItemCommand", "QueryCommand"]);

/** What DynamoDB says that the work of this client consumed. */
export interface Meter {
  /** Since it was asked last. */
  spent(): Units;
}

/** DynamoDB bills a request that finds nothing as one that found a little; dynalite tells 0 for it. */
function leastOf(input: object): number {
  if (!("KeyConditionExpression" in input)) return 0;
  return "ConsistentRead" in input && input.ConsistentRead === true ? 1 : 0.5;
}

/** Has every answer of this client tell its units. */
export function meter(client: DynamoDBClient): Meter {
  let sum = NOTHING;
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const input = { ...args.input, ReturnConsumedCapacity: "INDEXES" };
      const result = await next({ ...args, input });
      const { ConsumedCapacity: consumed } = result.output as {
        ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[];
      };
      for (const one of consumed === undefined ? [] : [consumed].flat()) {
        sum = READS.has(context.commandName ?? "")
          ? { ...sum, reads: sum.reads + Math.max(one.CapacityUnits ?? 0, leastOf(input)) }
          : withWrites(sum, one);
      }
      return result;
    },
    { step: "initialize", name: "meter" },
  );
  return {
    spent: () => {
      const since = sum;
      sum = NOTHING;
      return since;
    },
  };
}

function withWrites(sum: Units, { CapacityUnits = 0, GlobalSecondaryIndexes = {} }: ConsumedCapacity): Units {
  const of = (index: string): number => GlobalSecondaryIndexes[index]?.CapacityUnits ?? 0;
  const indexes = Object.keys(GlobalSecondaryIndexes).reduce((units, index) => units + of(index), 0);
  return {
    ...sum,
    table: sum.table + CapacityUnits - indexes,
    due: sum.due + of("due"),
    wheel: sum.wheel + of("wheel"),
    renew: sum.renew + of("renew"),
    place: sum.place + of("place"),
    unsent: sum.unsent + of("unsent"),
    cluster: sum.cluster + of("cluster"),
  };
}
