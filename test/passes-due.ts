import type { LeaseStore } from "../lib/ports/store.ts";

/**
 * Makes clusters in step due for their next watch pass, as they are half a minute later. A cluster that fails keeps its
 * pause: how long that is concerns the tests.
 */
export async function passesDue(leases: Pick<LeaseStore, "clusters" | "saveCluster">): Promise<void> {
  const now = Date.now();
  const waiting = (await leases.clusters()).filter(
    ({ leaseUntil, dueAt, state }) => leaseUntil === undefined && dueAt > now && state.error === undefined,
  );
  await Promise.all(waiting.map((row) => leases.saveCluster(row, row.state, { dueAt: now })));
}
