import type { Clock, Random } from "../../clock.ts";
import type { GoodFleets } from "../../ports/good-fleets.ts";
import type { OwnCallNotes } from "../../ports/own-calls.ts";
import type { LeaseStore } from "../../ports/store.ts";
import type { TokenStore } from "../../ports/tokens.ts";
import type { OnDamage } from "../damage.ts";
import { type AcceptedPosts, acceptedPosts } from "./accepted-posts.ts";
import type { Client } from "./asking.ts";
import { bodies } from "./bodies.ts";
import { circuitStore, dispatchStore } from "./circuits.ts";
import { connect } from "./connection.ts";
import { declarations } from "./declarations.ts";
import { clusterStore, referenceStore } from "./discovery.ts";
import { endedRuns } from "./ended-runs.ts";
import { goodFleets } from "./good-fleets.ts";
import { type HeardTimes, heardTimes } from "./heard.ts";
import { hubStore } from "./hubs.ts";
import { indexes } from "./indexes.ts";
import { leases } from "./leases.ts";
import { nudging } from "./nudges.ts";
import { ownCallNotes } from "./own-calls.ts";
import { periods } from "./periods.ts";
import { syncQueries } from "./queries.ts";
import { targetStore } from "./targets.ts";
import { tokenStore } from "./tokens.ts";
import { unsentStore } from "./unsent.ts";

export interface DynamoStoreOptions {
  /** With its own time-outs: see client.ts. */
  readonly client: Client;
  /** Name or ARN of the table in infra/table.yml. */
  readonly table: string;
  /** For the pauses between the tries of a batch. */
  readonly random?: Random;
  /** The time limit of a request, in ms; default: 10 s. */
  readonly timeoutMs?: number;
  /** For commands beside deployed functions: writes to a table of another layout fail instead of changing its layout. */
  readonly asGuest?: boolean;
  /** Called for unreadable items, which are skipped. */
  readonly onDamage?: OnDamage;
}

export interface DynamoStore extends LeaseStore {
  /** In the same table. */
  readonly tokens: TokenStore;
  /** In the same table. */
  readonly posts: AcceptedPosts;
  /** In the same table. */
  readonly heard: HeardTimes;
  /** In the same table. */
  readonly goodFleets: GoodFleets;
  /** In the same table. */
  readonly ownCalls: (clock: Clock) => OwnCallNotes;
}

/**
 * The lease table in DynamoDB. The first request checks that the table is ours and of our version: STORE_MISSING,
 * STORE_DENIED and STORE_INVALID name the table and the remedy. Temporary failures are STORE_UNAVAILABLE.
 */
export function dynamoLeaseStore(options: DynamoStoreOptions): DynamoStore {
  const { client, table, random = Math.random, timeoutMs, asGuest, onDamage = () => undefined } = options;
  const connection = { ...connect(client, table, random, timeoutMs, asGuest), damaged: onDamage };
  const big = bodies(connection);
  const steps = periods(connection);
  const indexed = indexes(connection);
  return {
    ...syncQueries(connection, big, steps),
    ...declarations(connection, big, indexed),
    ...leases(connection, big, steps, indexed),
    ...nudging(connection),
    ...endedRuns(connection),
    ...targetStore(connection),
    ...unsentStore(connection),
    ...dispatchStore(connection),
    ...referenceStore(connection),
    ...clusterStore(connection),
    ...hubStore(connection),
    ...circuitStore(connection),
    tokens: tokenStore(connection),
    posts: acceptedPosts(connection),
    heard: heardTimes(connection),
    goodFleets: goodFleets(connection),
    ownCalls: (clock) => ownCallNotes(connection, clock),
    counts: connection.counts,
  };
}
