import { SECOND_MS } from "../clock.ts";
import { fairLine } from "../util/fair-line.ts";

/** Reviews one after the other: clusters alternate, and none has the processor for itself. */
export interface Turns {
  /** Does the work when it is this cluster's turn. `spent`: the cluster has used its share of the time. */
  run<T>(cluster: string, work: () => T): Promise<T | "spent">;
}

/** Of the time, for one cluster: syncs and renewals run in the same process. */
const SHARE = 0.25;
/** So much of it at once, as when all pods of a cluster start again. */
const BURST_MS = 2.5 * SECOND_MS;

/** `elapsed`: milliseconds of any clock that only goes forward. */
export function turns(elapsed: () => number): Turns {
  const line = fairLine<() => void>();
  /** Until when a cluster that works without a break would have taken its time; the longest unused first. */
  const busyUntil = new Map<string, number>();
  let isMoving = false;
  const move = (): void => {
    const start = line.next();
    isMoving = start !== undefined;
    if (start === undefined) return;
    // All else of this process goes on between two reviews.
    setImmediate(move);
    start();
  };
  const spend = (cluster: string, until: number, now: number): void => {
    busyUntil.delete(cluster);
    busyUntil.set(cluster, until);
    for (const [name, at] of busyUntil) {
      if (at > now) break;
      busyUntil.delete(name);
    }
  };
  return {
    async run(cluster, work) {
      await new Promise<void>((resolve) => {
        line.add(cluster, "", resolve);
        if (isMoving) return;
        isMoving = true;
        setImmediate(move);
      });
      const startedAt = elapsed();
      const from = Math.max(busyUntil.get(cluster) ?? 0, startedAt);
      if ((from - startedAt) * SHARE > BURST_MS) return "spent";
      try {
        return work();
      } finally {
        const now = elapsed();
        spend(cluster, from + (now - startedAt) / SHARE, now);
      }
    },
  };
}
