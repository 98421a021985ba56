import { fingerprint } from "../../digest.ts";
import { partsOf, type ReferenceKey, type SyncKey } from "../../keys.ts";
import type { RefreshSlot } from "../../ports/rows.ts";

/** Of the items' layout: a table of another version is left alone. */
export const TABLE_VERSION = 1;

/** Primary key of an item. Names of attributes appear in the dynamodb files and infra/table.yml only. */
export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/**
 * The indexes, all but the last one sparse. What they project is what each write pays for (lease-table 17):
 * - `due` (shard, dueAt): grp and lane;
 * - `wheel` (slot, phase): grp;
 * - `source` (source): keys;
 * - `cluster` (cluster, pk): what a list shows of a sync.
 */
export type IndexName = "due" | "wheel" | "source" | "cluster";

/** The due index is cut into so many partitions, each good for 1,000 writes in a second. */
export const SHARDS = 4;

/** Seconds of phases that share a partition of the wheel (lease-table 12). */
const SLOT_S = 300;

export function syncAt(key: SyncKey): ItemKey {
  return { pk: key, sk: "sync" };
}

/** A declaration that is too big for its row (lease-table 25). */
export function bodyAt(id: string): ItemKey {
  return { pk: `body:${id}`, sk: "body" };
}

/** The partition of a cluster's references. A sync's key has no colon before its first slash. */
export function referencesOfCluster(cluster: string): string {
  return `references:${cluster}`;
}

export function referenceAt(key: ReferenceKey): ItemKey {
  return { pk: referencesOfCluster(partsOf(key).cluster), sk: key };
}

export const CLUSTERS = "clusters";
export const CIRCUITS = "circuits";
export const TOKENS = "tokens";
export const DISPATCHED: ItemKey = { pk: "cursor", sk: "cursor" };
export const PERIODS: ItemKey = { pk: "periods", sk: "periods" };
export const VERSION: ItemKey = { pk: "version", sk: "version" };

export function shardOf(key: SyncKey): number {
  return Number.parseInt(fingerprint(key).slice(0, 8), 16) % SHARDS;
}

/** Where a refresh slot stands in the wheel: (period, phase div 300 s). */
export function slotOf({ period, phase }: RefreshSlot): string {
  return `${period}#${Math.floor(phase / SLOT_S)}`;
}

/** The slots that hold these phases of a period, both ends included. */
export function slotsOf(period: number, fromPhase: number, toPhase: number): readonly string[] {
  const first = Math.floor(fromPhase / SLOT_S);
  const last = Math.floor(toPhase / SLOT_S);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => `${period}#${first + n}`);
}

export function periodOf(slot: string): number {
  return Number.parseInt(slot, 10);
}
