import { type EpochMs, MINUTE_MS } from "../clock.ts";
import { partsOf } from "../keys.ts";
import type { Due } from "../ports/store.ts";

/** What was due longer ago than this, in ms, waits for something: ticks dispatch it, and nothing works on it. */
const OVERDUE_MS = 5 * MINUTE_MS;

/** The rows of one cluster that are overdue. */
export interface Overdue {
  readonly count: number;
  /** Since the oldest of them was due, in ms. */
  readonly longestMs: number;
}

/** Adds what is overdue among these rows, by cluster. */
export function addOverdue(
  overdue: Map<string, Overdue>,
  rows: readonly Pick<Due, "key" | "at">[],
  now: EpochMs,
): void {
  for (const { key, at } of rows) {
    const sinceMs = now - at;
    if (sinceMs <= OVERDUE_MS) continue;
    const { cluster } = partsOf(key);
    const { count = 0, longestMs = 0 } = overdue.get(cluster) ?? {};
    overdue.set(cluster, { count: count + 1, longestMs: Math.max(longestMs, sinceMs) });
  }
}
