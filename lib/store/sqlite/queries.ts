import { setImmediate as others } from "node:timers/promises";
import type { SyncKey } from "../../keys.ts";
import type { Row } from "../../ports/rows.ts";
import type { RowSummary, SyncStore, WheelEntry } from "../../ports/store.ts";
import { isRefreshSlot } from "../stored.ts";
import type { Connection } from "./connection.ts";
import {
  type DueRecord,
  dueOf,
  isKey,
  READ_ROW,
  rowOf,
  type SummaryRecord,
  type SyncRecord,
  summaryOf,
} from "./rows.ts";

type Queries = Pick<SyncStore, "read" | "due" | "periods" | "onWheel" | "bySource" | "byCluster">;

/** Rows of a cluster that are read at once: the process does nothing else meanwhile. */
const PAGE = 5_000;

/** What reads rows of syncs. */
export function syncQueries(connection: Connection): Queries {
  const { damaged } = connection;
  /** Those with a key that leads somewhere. */
  const sound = <T extends { readonly key: SyncKey }>(records: readonly T[]): readonly T[] => {
    const good = records.filter(({ key }) => isKey(key));
    if (good.length < records.length) for (const { key } of records) if (!isKey(key)) damaged(key);
    return good;
  };
  const record = connection.one<SyncRecord>(READ_ROW);
  const due = connection.all<DueRecord>(`
    SELECT key, grp, lane, due_at FROM sync
    WHERE due_at > :after AND due_at <= :until AND (lease_until IS NULL OR lease_until <= :now)
    ORDER BY due_at LIMIT :limit`);
  // One seek for each period instead of a scan of the whole index.
  const periods = connection.all<{ readonly period: number }>(`
    WITH RECURSIVE used (period) AS (
      SELECT min(period) FROM sync WHERE period IS NOT NULL
      UNION ALL SELECT (SELECT min(period) FROM sync WHERE period > used.period) FROM used WHERE used.period IS NOT NULL
    ) SELECT period FROM used WHERE period IS NOT NULL`);
  const wheel = connection.all<{ readonly key: SyncKey; readonly grp: string; readonly phase: number }>(`
    SELECT key, grp, phase FROM sync WHERE period = :period AND phase BETWEEN :from AND :to ORDER BY phase`);
  const source = connection.all<{ readonly key: SyncKey }>("SELECT key FROM sync WHERE source = :source ORDER BY key");
  const cluster = connection.all<SummaryRecord>(`
    SELECT key, uid, hash, generation, lease_until, due_at, period, phase, state, octet_length(declared) AS bytes
    FROM sync JOIN body ON body.id = sync.body WHERE cluster = :cluster AND key > :after ORDER BY key LIMIT ${PAGE}`);
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
      return connection.read("due", () => sound(due({ after, until, now, limit })).map(dueOf));
    },
    periods: () =>
      connection.read("periods", () => periods({}).flatMap(({ period }) => (isRefreshSlot(period, 0) ? [period] : []))),
    onWheel: (period, from, to) =>
      connection.read("onWheel", () =>
        sound(wheel({ period, from, to })).map(({ key, grp, phase }): WheelEntry => ({ key, group: grp, phase })),
      ),
    bySource: (name) => connection.read("bySource", () => sound(source({ source: name })).map(({ key }) => key)),
    byCluster: async (name) => {
      const rows: RowSummary[] = [];
      for (let after: string | undefined = ""; after !== undefined; ) {
        await others();
        const from: string = after;
        const page = await connection.read("byCluster", () => cluster({ cluster: name, after: from }));
        for (const row of sound(page)) rows.push(summaryOf(row, damaged));
        after = page.length < PAGE ? undefined : page.at(-1)?.key;
      }
      return rows;
    },
  };
}
