import { SyncError } from "../errors.ts";
import { wakeForPaths } from "../failures/path-wake.ts";
import { retentionOf } from "../issues/retention.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { RowSummary } from "../ports/store.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { unlessTooLarge } from "./guard.ts";

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
    if (signal?.aborted) {
      const left = `${rows.length - from} of ${rows.length} syncs`;
      throw new SyncError("DEADLINE_EXCEEDED", `keyferry ran out of time to release ${left}: it goes on with them`);
    }
    const some = rows.slice(from, from + AT_ONCE);
    const before = await leases.read(
      some.map(({ key }) => key),
      "strong",
    );
    for (const { key, waitsFor } of some) {
      const now = clock();
      const until = now + retentionOf(waitsFor, vaults);
      await unlessTooLarge(deps, key, () => leases.retire(key, until, now));
    }
    await wakeForPaths(
      deps,
      [...before.values()].flatMap(({ state }) => state.pushed ?? []),
    );
  }
}
