import type { EpochMs } from "../clock.ts";
import { clusterNamespaceOf, type SyncKey } from "../keys.ts";

/** Keys that came together and stay together, because they may share a Vault read. All are of one namespace. */
interface Bundle {
  readonly keys: Set<SyncKey>;
  readonly at: EpochMs;
}

/** The waiting keys of one lane. */
export interface Line {
  /** Each namespace's bundles in order of arrival; the next namespace is first. */
  readonly places: Map<string, Set<Bundle>>;
  /** Each key is in at most one bundle. */
  readonly byKey: Map<SyncKey, Bundle>;
  /** Keys at work: new requests for them wait until the work ends. */
  readonly busy: Set<SyncKey>;
}

export function emptyLine(): Line {
  return { places: new Map(), byKey: new Map(), busy: new Set() };
}

/** Adds each key once, at the earliest requested time. */
export function put(line: Line, keys: readonly SyncKey[], at: EpochMs): void {
  for (const [place, ofPlace] of Map.groupBy(keys, clusterNamespaceOf)) {
    const bundle: Bundle = { keys: new Set(), at };
    for (const key of ofPlace) {
      const known = line.byKey.get(key);
      if (known && known.at <= at) continue;
      known?.keys.delete(key);
      bundle.keys.add(key);
      line.byKey.set(key, bundle);
    }
    if (bundle.keys.size > 0) line.places.set(place, (line.places.get(place) ?? new Set()).add(bundle));
  }
}

/** What prevents so many keys of a namespace from starting; undefined: nothing. */
export type Obstacle = (place: string, count: number) => "namespace" | "cluster" | "lane" | undefined;

/**
 * Takes the keys of the next bundle that may start, at most `most`. Never splits a bundle. Skips a namespace whose
 * budget is used up; while a cluster's budget is used up, its other namespaces don't overtake.
 */
export function takeNext(
  line: Line,
  { now, most, obstacle }: { readonly now: EpochMs; readonly most: number; readonly obstacle: Obstacle },
): readonly SyncKey[] {
  const full = new Set<string>();
  for (const [place, bundles] of line.places) {
    const bundle = firstReady(line, bundles, now);
    if (bundles.size === 0) line.places.delete(place);
    const cluster = place.slice(0, place.indexOf("/"));
    if (bundle === undefined || full.has(cluster)) continue;
    const count = countFree(line, bundle);
    if (count > most) continue;
    const because = obstacle(place, count);
    if (because === undefined) return takeFrom(line, place, bundle);
    if (because === "lane") return [];
    if (because === "cluster") full.add(cluster);
  }
  return [];
}

/** The idle keys of a bundle; its namespace moves to the end of the line. */
function takeFrom(line: Line, place: string, bundle: Bundle): readonly SyncKey[] {
  const bundles = line.places.get(place);
  const taken = takeFree(line, bundle);
  if (bundle.keys.size === 0) bundles?.delete(bundle);
  line.places.delete(place);
  if (bundles !== undefined && bundles.size > 0) line.places.set(place, bundles);
  return taken;
}

/** Whether so many keys of a namespace wait for room that others need as well. */
export type LacksRoom = (place: string, count: number) => boolean;

/**
 * When the oldest should have started of those bundles that come next in their namespaces, and that lack room;
 * undefined: there is none.
 */
export function oldestWithoutRoom(line: Line, now: EpochMs, lacksRoom: LacksRoom): EpochMs | undefined {
  let oldest: EpochMs | undefined;
  for (const [place, bundles] of line.places) {
    const bundle = firstReady(line, bundles, now);
    if (bundle === undefined || (oldest !== undefined && bundle.at >= oldest)) continue;
    if (lacksRoom(place, countFree(line, bundle))) oldest = bundle.at;
  }
  return oldest;
}

/** The next start time after `after`, without keys at work: when their work ends, it asks again. */
export function earliest(lines: readonly Line[], after: EpochMs): EpochMs | undefined {
  let first: EpochMs | undefined;
  for (const line of lines) {
    for (const bundles of line.places.values()) {
      for (const bundle of bundles) {
        const isSooner = bundle.at > after && (first === undefined || bundle.at < first);
        if (isSooner && countFree(line, bundle) > 0) first = bundle.at;
      }
    }
  }
  return first;
}

function firstReady(line: Line, bundles: Set<Bundle>, now: EpochMs): Bundle | undefined {
  for (const bundle of bundles) {
    if (bundle.keys.size === 0) bundles.delete(bundle);
    else if (bundle.at <= now && countFree(line, bundle) > 0) return bundle;
  }
  return undefined;
}

function takeFree(line: Line, bundle: Bundle): readonly SyncKey[] {
  const taken = [...bundle.keys].filter((key) => !line.busy.has(key));
  for (const key of taken) {
    bundle.keys.delete(key);
    line.byKey.delete(key);
    line.busy.add(key);
  }
  return taken;
}

function countFree({ busy }: Line, { keys }: Bundle): number {
  let free = 0;
  for (const key of keys) if (!busy.has(key)) free++;
  return free;
}
