import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import { clusterNamespaceOf } from "./budgets.ts";

/** Keys that came together, and stay together: they may share a Vault read. All are of one namespace. */
interface Bundle {
  readonly keys: Set<SyncKey>;
  readonly at: EpochMs;
}

/** What waits in one lane. */
export interface Line {
  /** Bundles of each namespace in the order in which they came; the namespace that is next stands first. */
  readonly places: Map<string, Set<Bundle>>;
  /** A key stands in one bundle at most. */
  readonly byKey: Map<SyncKey, Bundle>;
  /** Being worked on: what is asked for them meanwhile waits until that ended. */
  readonly busy: Set<SyncKey>;
}

export function emptyLine(): Line {
  return { places: new Map(), byKey: new Map(), busy: new Set() };
}

/** Each key once, at the earliest of the times that were asked for. */
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

/** What keeps so many keys of a namespace from starting; undefined when nothing does. */
export type Obstacle = (place: string, count: number) => "namespace" | "cluster" | "lane" | undefined;

/**
 * Takes the keys of the next bundle that may start, `most` at most. Bundles are never torn apart. A namespace that has
 * used up its budget is passed over; where a whole cluster's is used up, its other namespaces don't get ahead.
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

/** The keys of a bundle that nobody works on; its namespace goes to the end of the line. */
function takeFrom(line: Line, place: string, bundle: Bundle): readonly SyncKey[] {
  const bundles = line.places.get(place);
  const taken = takeFree(line, bundle);
  if (bundle.keys.size === 0) bundles?.delete(bundle);
  line.places.delete(place);
  if (bundles !== undefined && bundles.size > 0) line.places.set(place, bundles);
  return taken;
}

/** When the next key may start, later than `after`, that is not being worked on: the end of that work asks again. */
export function earliest(lines: readonly Line[], after = Number.NEGATIVE_INFINITY): EpochMs | undefined {
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
