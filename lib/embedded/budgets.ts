import { partsOf, type SyncKey } from "../keys.ts";
import type { Lane } from "../ports/rows.ts";

/** How many keys may be at work at once: as many as fit into one message, at least. */
export interface BudgetLimits {
  /** Of a lane. What waits for a silent end does not count. */
  readonly lane: Readonly<Record<Lane, number>>;
  /** Of one cluster: more would wait for its connections, and hold memory meanwhile. What waits for a silent end does not count. */
  readonly cluster: number;
  /** Of one namespace, what waits included: whatever one declares leaves room for its neighbours. */
  readonly namespace: number;
  /** Of one cluster, waiting for silent ends. From there on they count like others. */
  readonly waiting: number;
}

/** Who has how many keys at work: lane, cluster and namespace each have a budget, and a silent end takes only its namespace's. */
export interface Budgets {
  /** Whose budget keeps so many more keys of this place from starting in this lane; undefined: nobody's. */
  obstacle(lane: Lane, place: string, count: number): "namespace" | "cluster" | "lane" | undefined;
  start(lane: Lane, key: SyncKey): void;
  /** It waits for an end that says nothing: others may work meanwhile. */
  stepAside(lane: Lane, key: SyncKey): void;
  /** The end has answered. It is not made to wait again, so that a budget may be overdrawn for a moment. */
  goOn(lane: Lane, key: SyncKey): void;
  end(lane: Lane, key: SyncKey): void;
}

/** `<cluster>/<namespace>`: whose work a key is. */
export function clusterNamespaceOf(key: SyncKey): string {
  const { cluster, namespace } = partsOf(key);
  return `${cluster}/${namespace}`;
}

function clusterOf(place: string): string {
  return place.slice(0, place.indexOf("/"));
}

/** Numbers by name; those that are zero are not kept. */
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
  const goOn = (lane: Lane, key: SyncKey): void => {
    if (!aside.delete(id(lane, key))) return;
    const place = clusterNamespaceOf(key);
    atWork.waiting.add(clusterOf(place), -1);
    work(lane, place, 1);
  };
  return {
    obstacle(lane, place, count) {
      if (atWork.namespace.of(place) + count > limits.namespace) return "namespace";
      if (atWork.cluster.of(clusterOf(place)) + count > limits.cluster) return "cluster";
      return atWork.lane.of(lane) + count > limits.lane[lane] ? "lane" : undefined;
    },
    start(lane, key) {
      const place = clusterNamespaceOf(key);
      work(lane, place, 1);
      atWork.namespace.add(place, 1);
    },
    stepAside(lane, key) {
      const place = clusterNamespaceOf(key);
      if (aside.has(id(lane, key)) || atWork.waiting.of(clusterOf(place)) >= limits.waiting) return;
      aside.add(id(lane, key));
      atWork.waiting.add(clusterOf(place), 1);
      work(lane, place, -1);
    },
    goOn,
    end(lane, key) {
      goOn(lane, key);
      const place = clusterNamespaceOf(key);
      work(lane, place, -1);
      atWork.namespace.add(place, -1);
    },
  };
}
