import { isCleanupKey } from "../keys.ts";
import type { ClusterState } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";

/**
 * What a status and a row tell, as a number that goes up when they tell more. 1: which generation was looked at. 2: what the row
 * refers to and waits for, which wakes it.
 */
export const TOLD = 2;

/** From here on rows are found by what they refer to, once they were settled. */
const INDEXED = 2;

const AT_ONCE = 100;

/**
 * What is on no wheel has its status written when something happens to it. So what an earlier version settled is asked for
 * once, or its status would lack until then what this version tells. Rows of the wheel see to it with their next refresh slot.
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
    const rows = await deps.leases.read(keys.slice(from, from + AT_ONCE), "strong");
    const untold = [...rows.values()].filter(
      ({ state }) => told < INDEXED || (state.seen !== undefined && state.seen.status.observedGeneration === undefined),
    );
    const now = deps.clock();
    const dues = await deps.leases.nudgeAll(
      untold.map(({ key }) => key),
      { now, verify: false },
    );
    await sendDue(deps.queue, dues, now);
  }
}
