import { isDeepStrictEqual } from "node:util";
import type { ClusterSettings } from "../ports/fleet.ts";

/** How the clusters of a fleet differ from the previously followed ones, by name. */
export interface FleetChange {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly departed: readonly string[];
}

/** One loop per cluster, started and stopped as the fleet changes. */
export interface Followers {
  /**
   * Follows exactly these clusters with these settings. Resolves when the loops of removed or changed ones have ended.
   */
  set(clusters: readonly ClusterSettings[]): Promise<FleetChange>;
  /** Resolves when every loop has ended. */
  allDone(): Promise<void>;
}

interface Follower {
  readonly settings: ClusterSettings;
  readonly end: AbortController;
  readonly done: Promise<void>;
}

/** `follow` runs until its signal, which aborts with the common one, or when its cluster leaves or changes. */
export function followers(
  follow: (settings: ClusterSettings, stop: AbortSignal) => Promise<void>,
  stop: AbortSignal,
): Followers {
  const known = new Map<string, Follower>();
  const start = (settings: ClusterSettings): void => {
    const end = new AbortController();
    const done = follow(settings, AbortSignal.any([stop, end.signal]));
    known.set(settings.name, { settings, end, done });
  };
  const endAll = async (names: readonly string[]): Promise<void> => {
    const ending = names.map((name) => known.get(name)).filter((follower) => follower !== undefined);
    for (const name of names) known.delete(name);
    for (const { end } of ending) end.abort();
    await Promise.all(ending.map(({ done }) => done));
  };
  return {
    async set(clusters) {
      const change = differenceOf(
        [...known.values()].map(({ settings }) => settings),
        clusters,
      );
      await endAll([...change.departed, ...change.changed]);
      for (const settings of clusters) if (!known.has(settings.name)) start(settings);
      return change;
    },
    allDone: async () => void (await Promise.all([...known.values()].map(({ done }) => done))),
  };
}

function differenceOf(before: readonly ClusterSettings[], now: readonly ClusterSettings[]): FleetChange {
  const known = new Map(before.map((settings) => [settings.name, settings]));
  const names = new Set(now.map(({ name }) => name));
  const isChanged = (settings: ClusterSettings): boolean =>
    known.has(settings.name) && !isDeepStrictEqual(known.get(settings.name), settings);
  return {
    added: [...names].filter((name) => !known.has(name)),
    changed: now.filter(isChanged).map(({ name }) => name),
    departed: [...known.keys()].filter((name) => !names.has(name)),
  };
}
