import type { DatabaseSync } from "node:sqlite";
import { partsOf, type SyncKey } from "../../keys.ts";
import { asObject } from "../../util/canonical.ts";
import type { JsonObject } from "../../util/json.ts";
import { stateOfFirst } from "../first-layout.ts";
import { parsed } from "../stored.ts";

/** The version of the tables. An older file is migrated in place; a newer one is refused. */
export const SCHEMA_VERSION = 4;

/** Used for new files and by the first step. */
export const RENEW_INDEXES = `
CREATE INDEX sync_renew ON sync (renew_period, renew_phase, grp) WHERE renew_period IS NOT NULL;
CREATE INDEX sync_unsent ON sync (unsent_at) WHERE unsent_at IS NOT NULL;`;

export const SIDE_TABLES = `
CREATE TABLE place (
  vault TEXT NOT NULL, path TEXT NOT NULL, role TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (vault, path, role, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX place_push ON place (vault, path) WHERE role = 'push';
CREATE TABLE ref (ref TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (ref, key)) STRICT, WITHOUT ROWID;
CREATE TABLE target (digest TEXT PRIMARY KEY, body TEXT NOT NULL, unnamed_since INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE cursor (lane TEXT PRIMARY KEY, handed_until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE token (
  scope TEXT NOT NULL, id TEXT NOT NULL, sync TEXT, circuit TEXT NOT NULL, serial TEXT NOT NULL,
  sealed TEXT NOT NULL, ends_at INTEGER NOT NULL, PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;`;

export const HUB_TABLE = `
CREATE TABLE hub (
  name TEXT PRIMARY KEY, fence INTEGER NOT NULL, lease_until INTEGER, due_at INTEGER NOT NULL,
  revision INTEGER, state TEXT
) STRICT;`;

/** What events of Vaults and of ours leave to the next process. */
export const EVENT_TABLES = `
CREATE TABLE look_up (id INTEGER PRIMARY KEY, message TEXT NOT NULL) STRICT;
CREATE TABLE taken_post (
  vault TEXT NOT NULL, id TEXT NOT NULL, until_at INTEGER NOT NULL, PRIMARY KEY (vault, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX taken_post_until ON taken_post (until_at);
CREATE TABLE circuit_event (id TEXT PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL) STRICT;`;

/** The steps from each version to the next. A released step is never edited. */
const STEPS: ReadonlyMap<number, (database: DatabaseSync) => void> = new Map([
  [1, fromFirst],
  [2, (database) => database.exec(HUB_TABLE)],
  [3, (database) => database.exec(EVENT_TABLES)],
]);

/** Migrates a state in place and in one transaction: a crash leaves it unchanged. */
export function migrate(database: DatabaseSync): void {
  if (versionOf(database) === SCHEMA_VERSION) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // Read again, because another process may have been first.
    for (let version = versionOf(database); version < SCHEMA_VERSION; version++) {
      const step = STEPS.get(version);
      if (step === undefined) throw new Error(`no step leads from schema ${version}`);
      step(database);
    }
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.user_version);
}

/** The first version created its token table on demand. */
const FIRST_TOKENS = `
CREATE TABLE IF NOT EXISTS token (
  cluster TEXT NOT NULL, id TEXT NOT NULL, sync TEXT NOT NULL, circuit TEXT NOT NULL, serial TEXT NOT NULL,
  sealed TEXT NOT NULL, ends_at INTEGER NOT NULL, PRIMARY KEY (cluster, id)
) STRICT, WITHOUT ROWID;`;

/**
 * Replaces hashes by places in Vaults, and adds references, issues, pushed paths, the renew wheel and token scopes.
 * Places can't be computed from hashes: each row gets its own with its next run.
 */
function fromFirst(database: DatabaseSync): void {
  database.exec(`
    ${FIRST_TOKENS}
    ALTER TABLE token RENAME TO first_token;
    ALTER TABLE cursor RENAME TO first_cursor;
    ${SIDE_TABLES}
    INSERT INTO token SELECT 'cluster:' || cluster, id, sync, circuit, serial, sealed, ends_at FROM first_token;
    INSERT INTO cursor SELECT 'refresh', handed_until FROM first_cursor;
    DROP TABLE first_token;
    DROP TABLE first_cursor;
    ALTER TABLE body ADD COLUMN issues TEXT;
    ALTER TABLE body ADD COLUMN pushed TEXT;
    ALTER TABLE sync ADD COLUMN nudges_seen INTEGER;
    ALTER TABLE sync ADD COLUMN expect INTEGER;
    ALTER TABLE sync ADD COLUMN expect_at INTEGER;
    ALTER TABLE sync ADD COLUMN renew_period INTEGER;
    ALTER TABLE sync ADD COLUMN renew_phase INTEGER;
    ALTER TABLE sync ADD COLUMN unsent_at INTEGER;
    ${RENEW_INDEXES}`);
  moveStates(database);
  database.exec(`
    UPDATE cluster SET state = json_remove(json_set(state, '$.awaitingApproval', json(json_extract(state, '$.held'))), '$.held')
      WHERE json_valid(state) AND json_type(state, '$.held') IS NOT NULL;
    DROP INDEX sync_source;
    ALTER TABLE sync DROP COLUMN source;
    ALTER TABLE circuit DROP COLUMN target;`);
}

interface FirstRecord {
  readonly key: SyncKey;
  readonly body: number;
  readonly source: string | null;
  readonly state: string;
  readonly declared: string;
}

function moveStates(database: DatabaseSync): void {
  const page = database.prepare(`
    SELECT key, body, source, state, declared FROM sync JOIN body ON body.id = sync.body
    WHERE key > :after ORDER BY key LIMIT 1000`);
  const write = database.prepare("UPDATE body SET state = :state WHERE id = :body");
  const ref = database.prepare("INSERT INTO ref (ref, key) VALUES (:ref, :key) ON CONFLICT DO NOTHING");
  for (let after = ""; ; ) {
    const records = page.all({ after }) as unknown as readonly FirstRecord[];
    for (const record of records) {
      const moved = movedState(record);
      // A damaged row is reported when it is read, as before.
      if (moved === undefined) continue;
      write.run({ body: record.body, state: JSON.stringify(moved.state) });
      for (const name of moved.refs) ref.run({ ref: name, key: record.key });
    }
    const last = records.at(-1);
    if (last === undefined) return;
    after = last.key;
  }
}

function movedState(record: FirstRecord): { readonly state: JsonObject; readonly refs: readonly string[] } | undefined {
  const state = asObject(parsed(record.state) as JsonObject | undefined);
  if (state === undefined) return undefined;
  const awaits = awaitsOf(record, state);
  const refs = Array.isArray(state.refs) ? state.refs.filter((name) => typeof name === "string") : [];
  return {
    state: { ...stateOfFirst(state), ...(awaits.length === 0 ? {} : { awaits }) },
    refs: [...refs, ...awaits],
  };
}

/** Earlier versions searched the cluster for these. */
function awaitsOf({ key, source, declared }: FirstRecord, { error }: JsonObject): readonly string[] {
  const { cause, code } = asObject(error) ?? {};
  const isRefused = code === "SECRET_NOT_OURS" || code === "SECRET_TERMINATING";
  const spec = asObject(asObject(parsed(declared) as JsonObject | undefined)?.spec);
  const name = asObject(spec?.destination)?.name;
  const { cluster, namespace } = partsOf(key);
  return [
    ...(typeof cause === "string" ? [`cause:${cause}`] : []),
    ...(isRefused && typeof name === "string" ? [`destination:${cluster}/${namespace}/${name}`] : []),
    // A Vault's connections were found by the id of its circuit.
    ...(source?.startsWith("vault:") ? [`circuit:${source}`] : []),
  ];
}
