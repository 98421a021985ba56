import { isCleanupKey } from "../keys.ts";
import type { ClusterState } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";

/**
 * The version of the content of statuses and rows. 1: the observed generation. 2: references and waits, which wake the
 * row.
 */
export const TOLD = 2;

const AT_ONCE = 100;

/**
 * A row without a wheel writes its status only when something happens to it. So rows settled by an earlier version are
 * nudged once, to get the new content. Rows on the wheel get it with their next refresh slot.
 */
export async function nudgeUntold(
  deps: Pick<DiscoveryDeps, "leases" | "queue" | "clock">,
  cluster: string,
  { told = 0 }: ClusterState,
): Promise<void> {
  if (told >= TOLD) return;
  const summaries = await deps.leases.byCluster(cluster);
  const keys = summaries.filter(({ key, wheel }) => wheel === undefined && !isCleanupKey(key)).map(({ key }) => key);
  for (let from = 0; from < keys.length; from += AT_ONCE) {
    const now = deps.clock();
    const dues = await deps.leases.nudgeAll(keys.slice(from, from + AT_ONCE), { now, verify: false });
    await sendDue(deps.queue, dues, now);
  }
}
