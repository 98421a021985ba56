import { fingerprint } from "../../digest.ts";
import { partsOf, type ReferenceKey, type SyncKey } from "../../keys.ts";
import type { Ref } from "../../ports/refs.ts";
import type { Place, RefreshSlot, WheelLane } from "../../ports/rows.ts";

/** The layout of the items: a table of another version is not used. */
export const TABLE_VERSION = 2;

/** Primary key of an item. Only the dynamodb files and infra/table.yml name attributes. */
export interface ItemKey {
  readonly pk: string;
  readonly sk: string;
}

/**
 * The indexes, all but the last one sparse. What they project is what each write pays for (lease-table 17):
 * - `due` (shard, dueAt): grp and lane;
 * - `wheel` (slot, phase): grp;
 * - `renew` (renewSlot, renewPhase): grp;
 * - `place` (placeOf, placePath): role and key;
 * - `unsent` (unsentShard, unsentAt): keys;
 * - `cluster` (cluster, pk): what a list shows of a sync.
 */
export type IndexName = "due" | "wheel" | "renew" | "place" | "unsent" | "cluster";

/** The due index has this many partitions, each for 1,000 writes per second. */
export const SHARDS = 4;

/** How many seconds of phases share a partition of the wheel (lease-table 12). */
const SLOT_S = 300;

export function syncAt(key: SyncKey): ItemKey {
  return { pk: key, sk: "sync" };
}

/** A declaration that is too large for its row (lease-table 25). */
export function bodyAt(id: string): ItemKey {
  return { pk: `body:${id}`, sk: "body" };
}

/** The partition of a cluster's references. A sync's key has no colon before its first slash, so they can't collide. */
export function referencesOfCluster(cluster: string): string {
  return `references:${cluster}`;
}

export function referenceAt(key: ReferenceKey): ItemKey {
  return { pk: referencesOfCluster(partsOf(key).cluster), sk: key };
}

/** The partition of a hub's state, which may be larger than one item. */
export function partsOfHub(hub: string): string {
  return `hub:${hub}`;
}

/** Records that a row refers to or waits for something. */
export function refAt(ref: Ref, key: SyncKey): ItemKey {
  return { pk: partitionOfRef(ref), sk: key };
}

export function partitionOfRef(ref: Ref): string {
  return `ref:${ref}`;
}

/** Records that a row pushes to a path. A fingerprint, because a path can have any length. */
export function pushAt({ vault, path }: Place): ItemKey {
  return { pk: `push:${fingerprint(vault, path)}`, sk: "push" };
}

export function targetAt(digest: string): ItemKey {
  return { pk: TARGETS, sk: digest };
}

export const TARGETS = "targets";
/** Replaces a cluster's name, which can't contain parentheses. */
export const RETIRED = "(retired)";
export const CLUSTERS = "clusters";
export const HUBS = "hubs";
export const CIRCUITS = "circuits";
export const CIRCUIT_EVENTS = "circuit-events";
export const TOKENS = "tokens";
/** Refreshes use the first version's only item. */
export function dispatchedAt(lane: WheelLane): ItemKey {
  return { pk: "cursor", sk: lane === "refresh" ? "cursor" : lane };
}
/** Beside the lanes, none of which has a space. */
export function sweepOf(vault: string): ItemKey {
  return { pk: "cursor", sk: `sweep ${vault}` };
}
/** Refreshes use the first version's item. */
export function periodsAt(lane: WheelLane): ItemKey {
  return { pk: "periods", sk: lane === "refresh" ? "periods" : lane };
}
export const VERSION: ItemKey = { pk: "version", sk: "version" };

export function shardOf(key: SyncKey): number {
  return shardOfText(key, SHARDS);
}

/** The partition of a refresh slot on the wheel: (period, phase div 300 s). */
export function slotOf({ period, phase }: RefreshSlot): string {
  return `${period}#${Math.floor(phase / SLOT_S)}`;
}

/** The partitions of these phases of a period, both ends included. */
export function slotsOf(period: number, fromPhase: number, toPhase: number): readonly string[] {
  const first = Math.floor(fromPhase / SLOT_S);
  const last = Math.floor(toPhase / SLOT_S);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => `${period}#${first + n}`);
}

export function periodOf(slot: string): number {
  return Number.parseInt(slot, 10);
}

/** The places of a Vault have this many partitions, by path: a path needs one query, a prefix one per partition. */
export const PLACE_SHARDS = 8;

/** A sort key has at most 1,024 bytes. A longer path ends in a fingerprint, and is found by its beginning. */
const MAX_PATH = 1_000;

/** Partition and sort key of a place. The path ends with a slash, so that a prefix ends between two segments. */
export function placeKey({ vault, path }: Pick<Place, "vault" | "path">) {
  const placePath = boundedPath(path);
  return { placeOf: placePartition(vault, shardOfText(placePath, PLACE_SHARDS)), placePath };
}

export function placePartition(vault: string, shard: number): string {
  return `${Buffer.byteLength(vault) > MAX_PATH ? fingerprint(vault) : vault}#${shard}`;
}

/** The beginning of all paths below this one. */
export function pathPrefix(prefix: string): string {
  return prefix === "" ? "" : cut(`${prefix}/`, MAX_PATH - FINGERPRINT);
}

const FINGERPRINT = 32;

function boundedPath(path: string): string {
  const whole = `${path}/`;
  if (Buffer.byteLength(whole) <= MAX_PATH) return whole;
  return `${cut(whole, MAX_PATH - FINGERPRINT)}~${fingerprint(path)}`;
}

/** At most so many bytes, without a partial character. */
function cut(text: string, bytes: number): string {
  const buffer = Buffer.from(text);
  if (buffer.length <= bytes) return text;
  let end = bytes;
  while (((buffer[end] ?? 0) & 0xc0) === 0x80) end--;
  return buffer.toString("utf8", 0, end);
}

function shardOfText(text: string, shards: number): number {
  return Number.parseInt(fingerprint(text).slice(0, 8), 16) % shards;
}
