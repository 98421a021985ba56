import { setImmediate as others } from "node:timers/promises";
import type { SyncKey } from "../../keys.ts";
import type { Place, Row } from "../../ports/rows.ts";
import type { PlaceQuery, RowSummary, SyncStore, WheelEntry } from "../../ports/store.ts";
import { soundSlot } from "../stored.ts";
import type { Connection } from "./connection.ts";
import { storedPath } from "./indexes.ts";
import {
  type DueRecord,
  dueOf,
  isKey,
  READ_ROW,
  RETIRED,
  rowOf,
  type SummaryRecord,
  type SyncRecord,
  summaryOf,
} from "./rows.ts";

type Queries = Pick<
  SyncStore,
  "read" | "due" | "periods" | "onWheel" | "byPlace" | "byReference" | "byCluster" | "retired"
>;

/** How many rows of a cluster are read at once; meanwhile the process is blocked. */
const PAGE = 5_000;
/** For places and references. */
const PAGE_LIMIT = 1_000;

/** Reads rows of syncs. */
export function syncQueries(connection: Connection): Queries {
  const { damaged } = connection;
  /** Those with a valid key. */
  const sound = <T extends { readonly key: SyncKey }>(records: readonly T[]): readonly T[] =>
    records.filter(({ key }) => isKey(key) || damaged(key));
  const record = connection.one<SyncRecord>(READ_ROW);
  const due = connection.all<DueRecord>(`
    SELECT key, grp, lane, due_at FROM sync
    WHERE due_at > :after AND due_at <= :until AND (lease_until IS NULL OR lease_until <= :now)
    ORDER BY due_at LIMIT :limit`);
  return {
    read: (keys) =>
      connection.read("read", () => {
        const rows = keys.flatMap((key): [SyncKey, Row][] => {
          const found = record({ key });
          const row = found && rowOf(found, damaged);
          return row === undefined ? [] : [[key, row]];
        });
        return new Map(rows);
      }),
    due: async ({ after, until, now }, limit) => {
      await others();
      return connection.read("due", () => {
        // A page that unreadable keys shorten would be taken for the last one.
        for (let most = limit; ; most *= 2) {
          const records = due({ after, until, now, limit: most });
          const good = sound(records);
          if (good.length >= limit || records.length < most) return good.slice(0, limit).map(dueOf);
        }
      });
    },
    ...wheels(connection, sound),
    ...found(connection, sound),
    ...lists(connection, sound),
  };
}

type Sound = <T extends { readonly key: SyncKey }>(records: readonly T[]) => readonly T[];

/** Rows on the wheels. */
function wheels(connection: Connection, sound: Sound): Pick<Queries, "periods" | "onWheel"> {
  // One seek per period instead of a scan of the whole index.
  const periodsOf = (column: string) =>
    connection.all<{ readonly period: number | null }>(`
      WITH RECURSIVE used (period) AS (
        SELECT min(${column}) FROM sync WHERE ${column} IS NOT NULL
        UNION ALL SELECT (SELECT min(${column}) FROM sync WHERE ${column} > used.period) FROM used
          WHERE used.period IS NOT NULL
      ) SELECT period FROM used`);
  const periods = { refresh: periodsOf("period"), renew: periodsOf("renew_period") };
  type WheelRecord = { readonly key: SyncKey; readonly grp: string; readonly phase: number };
  const slots = {
    refresh: connection.all<WheelRecord>(`
      SELECT key, grp, phase FROM sync WHERE period = :period AND phase BETWEEN :from AND :to ORDER BY phase`),
    renew: connection.all<WheelRecord>(`
      SELECT key, grp, renew_phase AS phase FROM sync
      WHERE renew_period = :period AND renew_phase BETWEEN :from AND :to ORDER BY renew_phase`),
  };
  return {
    periods: (lane) =>
      connection.read("periods", () => periods[lane]({}).flatMap(({ period }) => soundSlot(period, 0)?.period ?? [])),
    onWheel: (lane, period, from, to) =>
      connection.read("onWheel", () =>
        sound(slots[lane]({ period, from, to })).map(
          ({ key, grp: group, phase }): WheelEntry => ({ key, group, lane, phase }),
        ),
      ),
  };
}

/** All rows of a cluster, page by page: between pages the process does other work. */
function lists(connection: Connection, sound: Sound): Pick<Queries, "byCluster" | "retired"> {
  const cluster = connection.all<SummaryRecord>(`
    SELECT key, uid, hash, generation, lease_until, due_at, period, phase, state, issues, pushed, octet_length(declared) AS bytes
    FROM sync JOIN body ON body.id = sync.body WHERE cluster = :cluster AND key > :after ORDER BY key LIMIT ${PAGE}`);
  const byCluster = async (name: string): Promise<readonly RowSummary[]> => {
    const rows: RowSummary[] = [];
    for (let after: string | undefined = ""; after !== undefined; ) {
      await others();
      const from: string = after;
      const page = await connection.read("byCluster", () => cluster({ cluster: name, after: from }));
      for (const row of sound(page)) rows.push(summaryOf(row, connection.damaged));
      after = page.length < PAGE ? undefined : page.at(-1)?.key;
    }
    return rows;
  };
  return { byCluster, retired: () => byCluster(RETIRED) };
}

/** Finds rows by what they read and refer to. */
function found(connection: Connection, sound: Sound): Pick<Queries, "byPlace" | "byReference"> {
  const place = connection.all<{ readonly path: string; readonly role: Place["role"]; readonly key: SyncKey }>(`
    SELECT path, role, key FROM place
    WHERE vault = :vault AND path >= :from AND path < :to AND (path, role, key) > (:path, :role, :key)
    ORDER BY path, role, key LIMIT :limit`);
  const reference = connection.all<{ readonly key: SyncKey }>(
    "SELECT key FROM ref WHERE ref = :ref AND key > :after ORDER BY key LIMIT :limit",
  );
  return {
    byPlace: (vault, query, { after, limit = PAGE_LIMIT } = {}) =>
      connection.read("byPlace", () => {
        const [path, role, key] = after === undefined ? ["", "", ""] : (JSON.parse(after) as [string, string, string]);
        const records = place({ vault, ...rangeOf(query), path, role, key, limit });
        const last = records.length < limit ? undefined : records.at(-1);
        const items = sound(records).map((record) => ({ ...record, path: record.path.slice(0, -1) }));
        return { items, ...(last && { next: JSON.stringify([last.path, last.role, last.key]) }) };
      }),
    byReference: (ref, { after = "", limit = PAGE_LIMIT } = {}) =>
      connection.read("byReference", () => {
        const records = reference({ ref, after, limit });
        const last = records.length < limit ? undefined : records.at(-1);
        return { items: sound(records).map(({ key }) => key), ...(last && { next: last.key }) };
      }),
  };
}

/** Stored paths end with a slash, so that all paths below begin with it. `0` is the character after the slash. */
function rangeOf(query: PlaceQuery): { readonly from: string; readonly to: string } {
  if ("path" in query) return { from: storedPath(query.path), to: `${storedPath(query.path)}\0` };
  if (query.prefix === "") return { from: "", to: "\u{10ffff}" };
  return { from: storedPath(query.prefix), to: `${query.prefix}0` };
}
