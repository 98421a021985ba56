import type { EpochMs } from "../../clock.ts";
import type { SyncKey } from "../../keys.ts";
import type { Place, WheelLane } from "../../ports/rows.ts";
import type { Due, PlaceEntry, PlaceQuery, RowSummary, SyncStore, WheelEntry } from "../../ports/store.ts";
import type { Bodies } from "./bodies.ts";
import type { Connection } from "./connection.ts";
import type { Periods } from "./periods.ts";
import type { Query } from "./reads.ts";
import { type DueItem, isKey, type SummaryItem, type SyncItem, summaryOf } from "./rows.ts";
import {
  PLACE_SHARDS,
  partitionOfRef,
  pathPrefix,
  placeKey,
  placePartition,
  RETIRED,
  SHARDS,
  slotsOf,
  syncAt,
} from "./table.ts";

type Queries = Pick<
  SyncStore,
  "read" | "due" | "periods" | "onWheel" | "byPlace" | "byReference" | "byCluster" | "retired"
>;

/** How many wheel slots are read at once when a long gap is caught up. */
const SLOTS_AT_ONCE = 16;

/** Reads rows of syncs. Indexes lag behind; conditions, and the sweeps of ticks and discovery, make that harmless. */
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
    periods: (lane) => {
      connection.count("periods");
      return periods.all(lane);
    },
    onWheel: async (lane, period, from, to) => {
      connection.count("onWheel");
      const slots = slotsOf(period, from, to);
      const found: WheelEntry[] = [];
      for (let first = 0; first < slots.length; first += SLOTS_AT_ONCE) {
        const some = slots.slice(first, first + SLOTS_AT_ONCE);
        const entries = await Promise.all(some.map((slot) => entriesOf(connection, lane, slot, from, to)));
        for (const entry of entries.flat()) found.push(entry);
      }
      return found;
    },
    ...found(connection),
    byCluster: (cluster) => {
      connection.count("byCluster");
      return listed(connection, cluster);
    },
    retired: () => {
      connection.count("retired");
      return listed(connection, RETIRED);
    },
  };
}

async function listed(connection: Connection, cluster: string): Promise<readonly RowSummary[]> {
  const rows: RowSummary[] = [];
  for await (const page of connection.pages<SummaryItem>({ index: "cluster", partition: ["cluster", cluster] })) {
    for (const item of page) if (isSound(connection, item)) rows.push(summaryOf(item, connection.damaged));
  }
  return rows;
}

interface PlaceItem {
  readonly pk: SyncKey;
  /** For a path that is pushed to: its row. */
  readonly syncKey?: SyncKey;
  readonly placePath: string;
  readonly role: Place["role"];
}

/** Items per page of places or references. */
const PAGE_LIMIT = 1_000;

/** Finds rows by what they read, push to or refer to. */
function found(connection: Connection): Pick<Queries, "byPlace" | "byReference"> {
  return {
    byPlace: async (vault, query, { after, limit = PAGE_LIMIT } = {}) => {
      connection.count("byPlace");
      const at = after === undefined ? { shard: firstShard(query, vault) } : (JSON.parse(after) as PlaceCursor);
      const placed = { index: "place", partition: ["placeOf", placePartition(vault, at.shard)], limit } as const;
      const page = await connection.page<PlaceItem>({ ...placed, ...rangeOf(query, vault) }, at.from);
      const items = page.items
        .map(({ pk, syncKey: key = pk, placePath, role }) => ({
          pk: key,
          key,
          path: placePath.replace(/\/$/, ""),
          role,
        }))
        .filter((item) => isSound(connection, item));
      const next = nextOf(query, at, page.next);
      const entries = items.map(({ key, path, role }): PlaceEntry => ({ key, path, role }));
      return next === undefined ? { items: entries } : { items: entries, next: JSON.stringify(next) };
    },
    byReference: async (ref, { after, limit = PAGE_LIMIT } = {}) => {
      connection.count("byReference");
      const query = { partition: ["pk", partitionOfRef(ref)], limit } as const;
      const { items, next } = await connection.page<{ readonly sk: SyncKey }>(query, after);
      const sound = items.filter(({ sk: pk }) => isSound(connection, { pk }));
      return { items: sound.map(({ sk }) => sk), ...(next === undefined ? {} : { next }) };
    },
  };
}

/** Where the next page begins: the partition, and the item before it. */
interface PlaceCursor {
  readonly shard: number;
  readonly from?: string;
}

/** A single path is in one partition; the paths below it may be in any. */
function firstShard(query: PlaceQuery, vault: string): number {
  if ("prefix" in query) return 0;
  return Number(placeKey({ vault, path: query.path }).placeOf.split("#").at(-1));
}

function rangeOf(query: PlaceQuery, vault: string): Pick<Query, "equals" | "startsWith"> {
  if ("path" in query) return { equals: ["placePath", placeKey({ vault, path: query.path }).placePath] };
  return query.prefix === "" ? {} : { startsWith: ["placePath", pathPrefix(query.prefix)] };
}

function nextOf(query: PlaceQuery, { shard }: PlaceCursor, from: string | undefined): PlaceCursor | undefined {
  if (from !== undefined) return { shard, from };
  return "prefix" in query && shard + 1 < PLACE_SHARDS ? { shard: shard + 1 } : undefined;
}

/** Whether the item has a valid key. */
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
      // A lease that ends later: the row is at work now.
      if (lane === "held" && at > now) continue;
      found.push({ key, group, lane: lane === "held" ? "now" : lane, at });
    }
    if (found.length >= limit) break;
  }
  return found;
}

/** Attributes of each wheel. */
const WHEELS = {
  refresh: { index: "wheel", slot: "slot", phase: "phase" },
  renew: { index: "renew", slot: "renewSlot", phase: "renewPhase" },
} as const;

/** An index has only items with the phase of its wheel. */
interface WheelItem {
  readonly pk: SyncKey;
  readonly grp: string;
  readonly phase: number;
  readonly renewPhase: number;
}

async function entriesOf(
  connection: Connection,
  lane: WheelLane,
  slot: string,
  from: number,
  to: number,
): Promise<readonly WheelEntry[]> {
  const wheel = WHEELS[lane];
  const items = await connection.query<WheelItem>({
    index: wheel.index,
    partition: [wheel.slot, slot],
    between: [wheel.phase, from, to],
  });
  const sound = items.filter((item) => isSound(connection, item));
  return sound.map(({ pk: key, grp: group, ...item }) => ({ key, group, lane, phase: item[wheel.phase] }));
}
