import { clusterNamespaceOf, type SyncKey } from "../keys.ts";
import type { Lane } from "../ports/rows.ts";

/** How many keys may be at work at once: at least as many as one message holds. */
export interface BudgetLimits {
  /** For a lane. Keys that wait for a silent end do not count. */
  readonly lane: Readonly<Record<Lane, number>>;
  /**
   * For one cluster: more would wait for its connections and occupy memory. Keys that wait for a silent end do not
   * count.
   */
  readonly cluster: number;
  /** For one namespace, waiting keys included: its declarations leave room for other namespaces. */
  readonly namespace: number;
  /** For one cluster, keys that wait for silent ends. More than these count like others. */
  readonly waiting: number;
}

/**
 * Counts keys at work against the budgets of lane, cluster and namespace; a key that waits for a silent end counts only
 * against its namespace's. Renewals have the budgets of cluster and namespace for themselves: they ask no cluster, and
 * must not wait for thousands of first syncs (lease-table 29).
 */
export interface Budgets {
  /** The budget that prevents so many more keys of this namespace from starting in this lane; undefined: none. */
  obstacle(lane: Lane, place: string, count: number): "namespace" | "cluster" | "lane" | undefined;
  /** Whether so many more keys exceed the budget of the lane. */
  isFull(lane: Lane, count: number): boolean;
  start(lane: Lane, key: SyncKey): void;
  /** The key waits for a silent end: others may start meanwhile. */
  stepAside(lane: Lane, key: SyncKey): void;
  /** The end has answered. The key continues at once, so a budget may be exceeded for a moment. */
  goOn(lane: Lane, key: SyncKey): void;
  end(lane: Lane, key: SyncKey): void;
}

function clusterOf(place: string): string {
  return place.slice(0, place.indexOf("/"));
}

/** What a place is counted as: those of renewals are apart. */
function within(lane: Lane, place: string): string {
  return lane === "renew" ? `renew:${place}` : place;
}

/** Counts by name, without zeros. */
function counts() {
  const known = new Map<string, number>();
  const of = (name: string): number => known.get(name) ?? 0;
  return {
    of,
    add(name: string, change: 1 | -1): void {
      const next = of(name) + change;
      if (next === 0) known.delete(name);
      else known.set(name, next);
    },
  };
}

export function budgets(limits: BudgetLimits): Budgets {
  const atWork = { lane: counts(), cluster: counts(), namespace: counts(), waiting: counts() };
  const aside = new Set<string>();
  const id = (lane: Lane, key: SyncKey): string => `${lane} ${key}`;
  const work = (lane: Lane, place: string, change: 1 | -1): void => {
    atWork.lane.add(lane, change);
    atWork.cluster.add(clusterOf(place), change);
  };
  const placeOf = (lane: Lane, key: SyncKey): string => within(lane, clusterNamespaceOf(key));
  const goOn = (lane: Lane, key: SyncKey): void => {
    if (!aside.delete(id(lane, key))) return;
    const place = placeOf(lane, key);
    atWork.waiting.add(clusterOf(place), -1);
    work(lane, place, 1);
  };
  const isFull = (lane: Lane, count: number): boolean => atWork.lane.of(lane) + count > limits.lane[lane];
  return {
    isFull,
    obstacle(lane, namespace, count) {
      const place = within(lane, namespace);
      if (atWork.namespace.of(place) + count > limits.namespace) return "namespace";
      if (atWork.cluster.of(clusterOf(place)) + count > limits.cluster) return "cluster";
      return isFull(lane, count) ? "lane" : undefined;
    },
    start(lane, key) {
      const place = placeOf(lane, key);
      work(lane, place, 1);
      atWork.namespace.add(place, 1);
    },
    stepAside(lane, key) {
      const place = placeOf(lane, key);
      if (aside.has(id(lane, key)) || atWork.waiting.of(clusterOf(place)) >= limits.waiting) return;
      aside.add(id(lane, key));
      atWork.waiting.add(clusterOf(place), 1);
      work(lane, place, -1);
    },
    goOn,
    end(lane, key) {
      goOn(lane, key);
      const place = placeOf(lane, key);
      work(lane, place, -1);
      atWork.namespace.add(place, -1);
    },
  };
}
