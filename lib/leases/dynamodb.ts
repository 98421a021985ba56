import type { Random } from "../clock.ts";
import type { LeaseStore, TokenStore } from "../reconcile/ports.ts";
import type { OnDamage } from "./damage.ts";
import { bodies } from "./dynamodb-bodies.ts";
import { circuitStore, cursorStore } from "./dynamodb-circuits.ts";
import { type Client, connect } from "./dynamodb-connection.ts";
import { declarations } from "./dynamodb-declarations.ts";
import { clusterStore, referenceStore } from "./dynamodb-discovery.ts";
import { leases } from "./dynamodb-leases.ts";
import { nudging } from "./dynamodb-nudges.ts";
import { periods } from "./dynamodb-periods.ts";
import { syncQueries } from "./dynamodb-queries.ts";
import { tokenStore } from "./dynamodb-tokens.ts";

export interface DynamoStoreOptions {
  /** With time-outs of its own: see dynamodb-client.ts. */
  readonly client: Client;
  /** Name or ARN of the table that infra/table.yml describes. */
  readonly table: string;
  /** For the pauses before what a batch left out is asked for again. */
  readonly random?: Random;
  /** All that one request may take, in ms: 10 s when not given. */
  readonly timeoutMs?: number;
  /** Told of items that can't be read: they are left aside. */
  readonly onDamage?: OnDamage;
}

export interface DynamoStore extends LeaseStore {
  /** In the same table. */
  readonly tokens: TokenStore;
}

const absent = (): never => {
  throw new Error("not yet in DynamoDB");
};

/** What this store does not do yet. */
const notYet = {
  retire: absent,
  retired: absent,
  nudgeAll: absent,
  claimPush: absent,
  record: absent,
  byPlace: absent,
  byReference: absent,
  unsent: absent,
  clearUnsent: absent,
  putTarget: absent,
  target: absent,
  sweepTargets: absent,
};

/**
 * The lease table in DynamoDB. Its first request finds out whether the table is ours and of our version: STORE_MISSING,
 * STORE_DENIED and STORE_INVALID name the table and the remedy; what passes by itself is STORE_UNAVAILABLE.
 */
export function dynamoLeaseStore(options: DynamoStoreOptions): DynamoStore {
  const { client, table, random = Math.random, timeoutMs, onDamage = () => undefined } = options;
  const connection = { ...connect(client, table, random, timeoutMs), damaged: onDamage };
  const big = bodies(connection);
  const steps = periods(connection);
  return {
    ...syncQueries(connection, big, steps),
    ...declarations(connection, big),
    ...leases(connection, big, steps),
    nudge: nudging(connection),
    ...notYet,
    ...cursorStore(connection),
    ...referenceStore(connection),
    ...clusterStore(connection),
    ...circuitStore(connection),
    tokens: tokenStore(connection),
    counts: connection.counts,
  };
}
