import { SyncError } from "../errors.ts";
import { wakeForPaths } from "../failures/path-wake.ts";
import { retentionOf } from "../issues/retention.ts";
import type { SyncKey } from "../keys.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { RowSummary } from "../ports/store.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { toldIfTooLarge } from "./guard.ts";

export type RetireDeps = Pick<DiscoveryDeps, "leases" | "queue" | "clock" | "log">;

export type Vaults = ClusterSettings["vaults"];

/** Rows whose states are held at the same time. */
export const AT_ONCE = 200;

/**
 * Removes the rows; with Vault leases they stay as long as these do. What they pushed stays in Vault, and the rows that
 * wait for these paths are woken. Fails when the signal aborts before all are removed: the next call has fewer to do.
 */
export async function retire(
  deps: RetireDeps,
  rows: readonly RowSummary[],
  vaults: Vaults,
  signal?: AbortSignal,
): Promise<void> {
  const { leases, clock } = deps;
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    const some = rows.slice(from, from + AT_ONCE);
    const before = await leases.read(
      some.map(({ key }) => key),
      "strong",
    );
    const released: SyncKey[] = [];
    for (const { key, waitsFor } of some) {
      if (signal?.aborted) break;
      const now = clock();
      const until = now + retentionOf(waitsFor, vaults);
      await toldIfTooLarge(deps, key, () => leases.retire(key, until, now));
      released.push(key);
    }
    // Also of a part that is cut off: no later call sees these rows.
    await wakeForPaths(
      deps,
      released.flatMap((key) => before.get(key)?.state.pushed ?? []),
    );
    if (released.length < some.length) throw outOfTime(rows.length - from - released.length, rows.length, "syncs");
  }
}

/** The time is over before all of this is released. */
export function outOfTime(left: number, all: number, what: string): SyncError {
  const message = `keyferry ran out of time to release ${left} of ${all} ${what}: it goes on with them`;
  return new SyncError("DEADLINE_EXCEEDED", message);
}
