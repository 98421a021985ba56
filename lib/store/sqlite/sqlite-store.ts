import type { KeptLookUps } from "../../ports/queue.ts";
import type { LeaseStore } from "../../ports/store.ts";
import type { TakenPosts } from "../../ports/taken-posts.ts";
import type { OnDamage } from "../damage.ts";
import { circuitStore, dispatchStore } from "./circuits.ts";
import { type Connection, connect, connectionTo } from "./connection.ts";
import { declarations } from "./declarations.ts";
import { clusterStore, referenceStore } from "./discovery.ts";
import { endedRuns } from "./ended-runs.ts";
import { hubStore } from "./hubs.ts";
import { indexes } from "./indexes.ts";
import { leases } from "./leases.ts";
import { keptLookUps } from "./look-ups.ts";
import { nudging } from "./nudges.ts";
import { syncQueries } from "./queries.ts";
import { type Recovery, recovery } from "./recovery.ts";
import { copyInMemory } from "./schema.ts";
import { takenPosts } from "./taken-posts.ts";
import { targetStore } from "./targets.ts";
import { type SqliteTokens, tokenStore } from "./tokens.ts";
import { unsentStore } from "./unsent.ts";

export { dataDirMarkedAt, isDataDirLocked, lockDataDir } from "./data-dir-lock.ts";

export interface SqliteStoreOptions {
  /** The database file; its directory must exist. */
  readonly path: string;
  /** For a second process: it sees every commit of the first one and writes nothing. */
  readonly readOnly?: boolean;
  /** Another process uses the file: it is not migrated meanwhile. */
  readonly asGuest?: boolean;
  /** Called for unreadable rows, which are skipped. */
  readonly onDamage?: OnDamage;
}

export interface SqliteStore extends LeaseStore, Recovery, KeptLookUps, TakenPosts, AsyncDisposable {
  /** Not for a second process, which does not need them. */
  readonly tokens: () => SqliteTokens;
}

/**
 * The lease table in one file. Migrates an older file in place. Throws an InputError when the file is not ours or
 * newer, and STORE_UNAVAILABLE when it can't be read or written.
 */
export function openSqliteStore({
  path,
  readOnly = false,
  asGuest = readOnly,
  onDamage,
}: SqliteStoreOptions): SqliteStore {
  return storeOn(connect(path, { readOnly, asGuest }, onDamage));
}

/** A copy of this file's state, or an empty state, in memory only, for simulations. */
export function simulatedSqliteStore(path: string | undefined): SqliteStore {
  if (path === undefined) return openSqliteStore({ path: ":memory:" });
  return storeOn(connectionTo(copyInMemory(path), path));
}

function storeOn(connection: Connection): SqliteStore {
  const indexed = indexes(connection);
  return {
    ...syncQueries(connection),
    ...declarations(connection, indexed),
    ...leases(connection, indexed),
    ...nudging(connection),
    ...endedRuns(connection),
    ...targetStore(connection),
    ...unsentStore(connection),
    ...dispatchStore(connection),
    ...referenceStore(connection),
    ...clusterStore(connection),
    ...hubStore(connection),
    ...circuitStore(connection),
    ...recovery(connection),
    ...keptLookUps(connection),
    ...takenPosts(connection),
    tokens: () => tokenStore(connection),
    counts: connection.counts,
    [Symbol.asyncDispose]: async () => connection.close(),
  };
}
