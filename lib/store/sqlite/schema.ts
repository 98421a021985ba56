import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { InputError, SyncError } from "../../errors.ts";

/** Marks a file as ours ("kfry"), so that no other database is ever written to. */
const APPLICATION_ID = 0x6b667279;
const SCHEMA_VERSION = 1;

/** How long one process waits for another one's write, in ms. The wait blocks the process, so it is short. */
const BUSY_TIMEOUT_MS = 2_000;

/**
 * Attribute names of the lease table: they appear in the sqlite files only. Indexes end in the primary key, and so cover
 * what they answer (lease-table 17). What is large stands in `body`, so that a claim rewrites a short row.
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
  source TEXT,
  settled_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sync_due ON sync (due_at, lease_until, grp, lane) WHERE due_at IS NOT NULL;
CREATE INDEX sync_wheel ON sync (period, phase, grp) WHERE period IS NOT NULL;
CREATE INDEX sync_source ON sync (source) WHERE source IS NOT NULL;
CREATE INDEX sync_cluster ON sync (cluster);
CREATE TABLE body (id INTEGER PRIMARY KEY, state TEXT NOT NULL, declared TEXT NOT NULL) STRICT;
CREATE TABLE cursor (id INTEGER PRIMARY KEY CHECK (id = 1), handed_until INTEGER NOT NULL) STRICT;
CREATE TABLE reference (
  key TEXT PRIMARY KEY, cluster TEXT NOT NULL, uid TEXT NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX reference_cluster ON reference (cluster);
CREATE TABLE cluster (
  name TEXT PRIMARY KEY, fence INTEGER NOT NULL, lease_until INTEGER, due_at INTEGER NOT NULL, state TEXT NOT NULL
) STRICT;
CREATE TABLE circuit (
  id TEXT PRIMARY KEY, code TEXT NOT NULL, message TEXT NOT NULL, since INTEGER NOT NULL, attempts INTEGER NOT NULL,
  fence INTEGER NOT NULL, probe_at INTEGER NOT NULL, target TEXT
) STRICT;
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Made when it is missing: a state without it is one whose processes logged in for themselves. */
const TOKEN_TABLE = `
CREATE TABLE IF NOT EXISTS token (
  cluster TEXT NOT NULL, id TEXT NOT NULL, sync TEXT NOT NULL, circuit TEXT NOT NULL, serial TEXT NOT NULL,
  sealed TEXT NOT NULL, ends_at INTEGER NOT NULL, PRIMARY KEY (cluster, id)
) STRICT, WITHOUT ROWID`;

/**
 * Opens the state, and makes it when the file is new. With WAL and synchronous=NORMAL a killed process loses nothing that
 * was committed; a power cut may lose the last commits, which fences and resourceVersions make harmless.
 */
export function openDatabase(path: string, readOnly: boolean): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly, timeout: BUSY_TIMEOUT_MS });
    prepareDatabase(database, path, readOnly);
    return database;
  } catch (error) {
    database?.close();
    throw storeError(error, path);
  }
}

function prepareDatabase(database: DatabaseSync, path: string, readOnly: boolean): void {
  if (isEmpty(database) && !readOnly) {
    database.exec("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE");
    // Another process may have been first.
    if (isEmpty(database)) database.exec(TABLES);
    database.exec("COMMIT");
  }
  demandOurs(database, path);
  if (readOnly) return;
  database.exec(TOKEN_TABLE);
  // Checkpoints flush to the disk: one for each 64 MB instead of each 4 MB keeps bursts of claims fast.
  database.exec(`
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 16384;
    PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536`);
}

const TABLE_NAMES = ["sync", "body", "cursor", "reference", "cluster", "circuit"];

/** The same state in memory: what is done to it leaves the file as it is. */
export function copyInMemory(path: string): DatabaseSync {
  // Judged as any file of ours is, before anything is read out of it.
  openDatabase(path, true).close();
  const copy = openDatabase(":memory:", false);
  try {
    copy.prepare("ATTACH DATABASE :source AS source").run({ source: `${pathToFileURL(path).href}?mode=ro` });
    const tables = TABLE_NAMES.map((name) => `INSERT INTO main.${name} SELECT * FROM source.${name};`);
    copy.exec(`BEGIN; ${tables.join(" ")} COMMIT; DETACH DATABASE source`);
    return copy;
  } catch (error) {
    copy.close();
    throw storeError(error, path);
  }
}

function isEmpty(database: DatabaseSync): boolean {
  return pragma(database, "application_id") === 0 && pragma(database, "schema_version") === 0;
}

function demandOurs(database: DatabaseSync, path: string): void {
  if (pragma(database, "application_id") !== APPLICATION_ID) {
    throw new InputError(path, ["it is not a database of keyferry; nothing in it was changed"]);
  }
  const version = pragma(database, "user_version");
  if (version !== SCHEMA_VERSION) {
    const other = Number(version) > SCHEMA_VERSION ? "a newer" : "an older";
    throw new InputError(path, [
      `it was written by ${other} keyferry (schema ${version}, this one has ${SCHEMA_VERSION}); use that version or another data directory`,
    ]);
  }
}

function pragma(database: DatabaseSync, name: string): unknown {
  return database.prepare(`PRAGMA ${name}`).get()?.[name];
}

const BUSY = 5;
const NOT_A_DATABASE = 26;
/** SQLite's answers to a wrong question: SQLITE_ERROR, CONSTRAINT, MISMATCH, MISUSE, RANGE. They are bugs, not failures. */
const BUG_CODES: ReadonlySet<number> = new Set([1, 19, 20, 21, 25]);

/** What an error of the database means: a store that is out of reach, a file that is not ours, or a bug (as it is). */
export function storeError(error: unknown, path: string): unknown {
  if (isClosed(error)) return new SyncError("STORE_UNAVAILABLE", `The state in ${path} is closed`, { cause: error });
  const code = sqliteCode(error);
  if (code === undefined || BUG_CODES.has(code)) return error;
  if (code === NOT_A_DATABASE) return new InputError(path, ["it is not a database"]);
  const what = error instanceof Error ? error.message : "unknown";
  return new SyncError("STORE_UNAVAILABLE", `The state in ${path} can't be used: ${what}`, { cause: error });
}

/** Work that goes on after the process has begun to stop. */
function isClosed(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_INVALID_STATE";
}

/** Whether another connection holds the lock that this one wanted. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === BUSY;
}

/** SQLite's primary result code. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}
