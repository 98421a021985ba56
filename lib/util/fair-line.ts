/** A line in which clusters alternate, and so do the namespaces of a cluster; first come, first served within one. */
export interface FairLine<T> {
  readonly size: number;
  add(cluster: string, namespace: string, item: T): void;
  /** Takes the next one out. */
  next(): T | undefined;
  /** False: it is not in the line any more. */
  leave(cluster: string, namespace: string, item: T): boolean;
  /** How many would go before a new one of this namespace. */
  ahead(cluster: string, namespace: string): number;
}

/**
 * Waits in the line until what `next` takes out of it is called. `place` is `<cluster>/<namespace>`. Leaves the
 * line and throws the signal's reason when it aborts.
 */
export function turnIn(line: FairLine<() => void>, place: string, signal: AbortSignal): Promise<void> {
  const [cluster = "", namespace = ""] = place.split("/");
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      line.leave(cluster, namespace, start);
      reject(signal.reason);
    };
    const start = (): void => {
      signal.removeEventListener("abort", giveUp);
      resolve();
    };
    signal.addEventListener("abort", giveUp, { once: true });
    line.add(cluster, namespace, start);
  });
}

type Namespaces<T> = Map<string, Set<T>>;

export function fairLine<T>(): FairLine<T> {
  /** The next one to go is always the first. */
  const clusters = new Map<string, Namespaces<T>>();
  let size = 0;
  const leave = (cluster: string, namespace: string, item: T): boolean => {
    const namespaces = clusters.get(cluster);
    const items = namespaces?.get(namespace);
    if (!items?.delete(item)) return false;
    size -= 1;
    if (items.size === 0) namespaces?.delete(namespace);
    if (namespaces?.size === 0) clusters.delete(cluster);
    return true;
  };
  return {
    get size() {
      return size;
    },
    leave,
    add(cluster, namespace, item) {
      const namespaces = clusters.get(cluster) ?? new Map<string, Set<T>>();
      clusters.set(cluster, namespaces.set(namespace, (namespaces.get(namespace) ?? new Set()).add(item)));
      size += 1;
    },
    next() {
      const [cluster, namespaces] = first(clusters) ?? [];
      const [namespace, items] = first(namespaces) ?? [];
      if (cluster === undefined || namespace === undefined) return undefined;
      const [item] = items ?? [];
      leave(cluster, namespace, item as T);
      toTheEnd(clusters, cluster);
      toTheEnd(namespaces, namespace);
      return item;
    },
    ahead(cluster, namespace) {
      const own = clusters.get(cluster);
      const ofNamespace = own?.get(namespace)?.size ?? 0;
      const ofCluster = sum(own?.values() ?? [], (items) => Math.min(items.size, ofNamespace + 1));
      return sum(clusters, ([name, namespaces]) =>
        name === cluster
          ? ofCluster
          : Math.min(
              ofCluster + 1,
              sum(namespaces.values(), (items) => items.size),
            ),
      );
    },
  };
}

function first<V>(map: Map<string, V> | undefined): readonly [string, V] | undefined {
  for (const entry of map ?? []) return entry;
  return undefined;
}

function toTheEnd<V>(map: Map<string, V> | undefined, name: string): void {
  const value = map?.get(name);
  if (value === undefined) return;
  map?.delete(name);
  map?.set(name, value);
}

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}
