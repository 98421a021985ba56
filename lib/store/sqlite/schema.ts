import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { InputError, SyncError } from "../../errors.ts";
import { EVENT_TABLES, HUB_TABLE, migrate, RENEW_INDEXES, SCHEMA_VERSION, SIDE_TABLES } from "./migrations.ts";

/** Marks a file as ours ("kfry"), so that we never write to another database. */
const APPLICATION_ID = 0x6b667279;

/** How long a process waits for another one's write, in ms. Short, because the wait blocks the process. */
const BUSY_TIMEOUT_MS = 2_000;

/**
 * Only the sqlite files name attributes of the lease table. Indexes end in the primary key, so that they cover their
 * queries (lease-table 17). Large values are in `body`, so that a claim rewrites a short row.
 */
const TABLES = `
CREATE TABLE sync (
  key TEXT PRIMARY KEY,
  body INTEGER NOT NULL,
  cluster TEXT NOT NULL,
  uid TEXT NOT NULL,
  hash TEXT NOT NULL,
  generation INTEGER NOT NULL,
  grp TEXT NOT NULL,
  fence INTEGER NOT NULL,
  nudges INTEGER NOT NULL,
  look INTEGER NOT NULL,
  lane TEXT NOT NULL,
  lease_until INTEGER,
  due_at INTEGER,
  period INTEGER,
  phase INTEGER,
  settled_at INTEGER,
  nudges_seen INTEGER,
  expect INTEGER,
  expect_at INTEGER,
  renew_period INTEGER,
  renew_phase INTEGER,
  unsent_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sync_due ON sync (due_at, lease_until, grp, lane) WHERE due_at IS NOT NULL;
CREATE INDEX sync_wheel ON sync (period, phase, grp) WHERE period IS NOT NULL;
CREATE INDEX sync_cluster ON sync (cluster);
${RENEW_INDEXES}
CREATE TABLE body (
  id INTEGER PRIMARY KEY, state TEXT NOT NULL, declared TEXT NOT NULL, issues TEXT, pushed TEXT
) STRICT;
${SIDE_TABLES}
CREATE TABLE reference (
  key TEXT PRIMARY KEY, cluster TEXT NOT NULL, uid TEXT NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX reference_cluster ON reference (cluster);
CREATE TABLE cluster (
  name TEXT PRIMARY KEY, fence INTEGER NOT NULL, lease_until INTEGER, due_at INTEGER NOT NULL, state TEXT NOT NULL
) STRICT;
${HUB_TABLE}
${EVENT_TABLES}
CREATE TABLE circuit (
  id TEXT PRIMARY KEY, code TEXT NOT NULL, message TEXT NOT NULL, since INTEGER NOT NULL, attempts INTEGER NOT NULL,
  fence INTEGER NOT NULL, probe_at INTEGER NOT NULL
) STRICT;
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** All tables, for the copy that `plan` makes. A table that is missing here makes the copy fail. */
const TABLE_NAMES: ReadonlySet<string> = new Set([
  ...["sync", "body", "place", "ref", "target", "cursor", "token", "reference", "cluster", "hub", "circuit"],
  ...["look_up", "taken_post", "circuit_event"],
]);

export interface OpenOptions {
  readonly readOnly: boolean;
  readonly asGuest: boolean;
}

/**
 * Opens the state, and creates it in a new file. With WAL and synchronous=NORMAL a killed process loses no commit; a
 * power cut may lose the last ones, which fences and resourceVersions make harmless.
 */
export function openDatabase(path: string, { readOnly, asGuest }: OpenOptions): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly, timeout: BUSY_TIMEOUT_MS });
    prepareDatabase(database, path, { readOnly, asGuest });
    return database;
  } catch (error) {
    database?.close();
    throw storeError(error, path);
  }
}

function prepareDatabase(database: DatabaseSync, path: string, { readOnly, asGuest }: OpenOptions): void {
  if (isEmpty(database) && !readOnly) {
    database.exec("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE");
    // Another process may have been first.
    if (isEmpty(database)) database.exec(TABLES);
    database.exec("COMMIT");
  }
  demandOurs(database, path);
  if (asGuest) demandCurrent(database, path);
  if (readOnly) return;
  migrate(database);
  // One checkpoint, which flushes to disk, per 64 MB instead of 4 MB keeps bursts of claims fast.
  database.exec(`
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 16384;
    PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536`);
}

/** A migrated copy of the state in memory; changes leave the file as it is. */
export function copyInMemory(path: string): DatabaseSync {
  const copy = new DatabaseSync(":memory:");
  try {
    copy.prepare("ATTACH DATABASE :source AS source").run({ source: `${pathToFileURL(path).href}?mode=ro` });
    // Checked like any file of ours before it is read.
    demandOurs(copy, path, "source.");
    const objects = copy
      .prepare("SELECT type, name, sql FROM source.sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'index'")
      .all() as unknown as readonly { readonly type: string; readonly name: string; readonly sql: string }[];
    const unknown = objects.filter(({ type, name }) => type !== "index" && !TABLE_NAMES.has(name));
    if (unknown.length > 0) throw new Error(`the copy lacks ${unknown.map(({ name }) => name).join(", ")}`);
    copy.exec("BEGIN");
    for (const { type, name, sql } of objects) {
      copy.exec(sql);
      if (type === "table") copy.exec(`INSERT INTO main.${name} SELECT * FROM source.${name}`);
    }
    copy.exec(
      `PRAGMA main.user_version = ${Number(pragma(copy, "source.user_version"))}; COMMIT; DETACH DATABASE source`,
    );
    migrate(copy);
    return copy;
  } catch (error) {
    copy.close();
    throw storeError(error, path);
  }
}

function isEmpty(database: DatabaseSync): boolean {
  return pragma(database, "application_id") === 0 && pragma(database, "schema_version") === 0;
}

function demandOurs(database: DatabaseSync, path: string, schema = ""): void {
  if (pragma(database, `${schema}application_id`) !== APPLICATION_ID) {
    throw new InputError(path, ["it is not a database of keyferry; nothing in it was changed"]);
  }
  const version = pragma(database, `${schema}user_version`);
  if (Number(version) > SCHEMA_VERSION) {
    throw new InputError(path, [
      `it was written by a newer keyferry (schema ${version}, this one has ${SCHEMA_VERSION}); use that version`,
    ]);
  }
}

/** A guest leaves the migration to the process that owns the state. */
function demandCurrent(database: DatabaseSync, path: string): void {
  const version = pragma(database, "user_version");
  if (version === SCHEMA_VERSION) return;
  throw new InputError(path, [
    `it was written by an older keyferry (schema ${version}, this one has ${SCHEMA_VERSION}); start keyferry run with this version once to migrate it`,
  ]);
}

function pragma(database: DatabaseSync, name: string): unknown {
  return database.prepare(`PRAGMA ${name}`).get()?.[name.slice(name.indexOf(".") + 1)];
}

const BUSY = 5;
const NOT_A_DATABASE = 26;
/** SQLite's codes for invalid statements (SQLITE_ERROR, CONSTRAINT, MISMATCH, MISUSE, RANGE): bugs, not failures. */
const BUG_CODES: ReadonlySet<number> = new Set([1, 19, 20, 21, 25]);

/** Maps a database error: an unavailable store, a file that is not ours, or a bug (unchanged). */
export function storeError(error: unknown, path: string): unknown {
  if (isClosed(error)) return new SyncError("STORE_UNAVAILABLE", `The state in ${path} is closed`, { cause: error });
  const code = sqliteCode(error);
  if (code === undefined || BUG_CODES.has(code)) return error;
  if (code === NOT_A_DATABASE) return new InputError(path, ["it is not a database"]);
  const what = error instanceof Error ? error.message : "unknown";
  return new SyncError("STORE_UNAVAILABLE", `The state in ${path} can't be used: ${what}`, { cause: error });
}

/** Work that continues after the process has begun to stop. */
function isClosed(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_INVALID_STATE";
}

/** Whether another connection holds the requested lock. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === BUSY;
}

/** SQLite's primary result code. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}
