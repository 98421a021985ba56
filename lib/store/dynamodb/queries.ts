import type { EpochMs } from "../../clock.ts";
import type { SyncKey } from "../../keys.ts";
import type { Due, RowSummary, SyncStore, WheelEntry } from "../../ports/store.ts";
import type { Bodies } from "./bodies.ts";
import type { Connection } from "./connection.ts";
import type { Periods } from "./periods.ts";
import { type DueItem, isKey, type SummaryItem, type SyncItem, summaryOf } from "./rows.ts";
import { SHARDS, slotsOf, syncAt } from "./table.ts";

type Queries = Pick<SyncStore, "read" | "due" | "periods" | "onWheel" | "bySource" | "byCluster">;

/** Slots of the wheel that are asked for at once, when a long time is caught up. */
const SLOTS_AT_ONCE = 16;

interface WheelItem {
  readonly pk: SyncKey;
  readonly grp: string;
  readonly phase: number;
}

/** What reads rows of syncs. Indexes lag: conditions and the sweeps of ticks and discovery make that harmless. */
export function syncQueries(connection: Connection, bodies: Bodies, periods: Periods): Queries {
  return {
    read: async (keys, consistency) => {
      connection.count("read");
      const items = await connection.getAll<SyncItem>(keys.map(syncAt), consistency);
      const rows = await bodies.rowsOf(items, consistency);
      return new Map(rows.map((row) => [row.key, row]));
    },
    due: async (range, limit) => {
      connection.count("due");
      const shards = Array.from({ length: SHARDS }, (_, shard) => dueInShard(connection, shard, range, limit));
      const due = (await Promise.all(shards)).flat();
      return due.sort((a, b) => a.at - b.at).slice(0, limit);
    },
    periods: () => {
      connection.count("periods");
      return periods.all();
    },
    onWheel: async (period, from, to) => {
      connection.count("onWheel");
      const slots = slotsOf(period, from, to);
      const found: WheelEntry[] = [];
      for (let first = 0; first < slots.length; first += SLOTS_AT_ONCE) {
        const some = slots.slice(first, first + SLOTS_AT_ONCE);
        const entries = await Promise.all(some.map((slot) => entriesOf(connection, slot, from, to)));
        for (const entry of entries.flat()) found.push(entry);
      }
      return found;
    },
    bySource: async (source) => {
      connection.count("bySource");
      const found = await connection.query<{ readonly pk: SyncKey }>({
        index: "source",
        partition: ["source", source],
      });
      return found.filter((item) => isSound(connection, item)).map(({ pk }) => pk);
    },
    byCluster: async (cluster) => {
      connection.count("byCluster");
      const rows: RowSummary[] = [];
      for await (const page of connection.pages<SummaryItem>({ index: "cluster", partition: ["cluster", cluster] })) {
        for (const item of page) if (isSound(connection, item)) rows.push(summaryOf(item, connection.damaged));
      }
      return rows;
    },
  };
}

/** One with a key that leads somewhere. */
function isSound({ damaged }: Connection, { pk }: { readonly pk: SyncKey }): boolean {
  if (isKey(pk)) return true;
  damaged(pk);
  return false;
}

async function dueInShard(
  connection: Connection,
  shard: number,
  { after, until, now }: { readonly after: EpochMs; readonly until: EpochMs; readonly now: EpochMs },
  limit: number,
): Promise<readonly Due[]> {
  const found: Due[] = [];
  const between = ["dueAt", after + 1, until] as const;
  for await (const page of connection.pages<DueItem>({ index: "due", partition: ["shard", shard], between, limit })) {
    for (const item of page) {
      const { pk: key, grp: group, lane, dueAt: at } = item;
      if (!isSound(connection, item)) continue;
      // A lease that ends later: someone is at work on it now.
      if (lane === "held" && at > now) continue;
      found.push({ key, group, lane: lane === "refresh" ? lane : "now", at });
    }
    if (found.length >= limit) break;
  }
  return found;
}

async function entriesOf(
  connection: Connection,
  slot: string,
  from: number,
  to: number,
): Promise<readonly WheelEntry[]> {
  const items = await connection.query<WheelItem>({
    index: "wheel",
    partition: ["slot", slot],
    between: ["phase", from, to],
  });
  const sound = items.filter((item) => isSound(connection, item));
  return sound.map(({ pk: key, grp: group, phase }) => ({ key, group, phase }));
}
