import { isCleanupKey } from "../keys.ts";
import type { ClusterState, Due } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** What a status tells, as a number that goes up when it tells more. 1: which generation was looked at. */
export const TOLD = 1;

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
    const dues: Due[] = [];
    for (const { key, state } of rows.values()) {
      if (state.seen === undefined || state.seen.status.observedGeneration !== undefined) continue;
      const due = await deps.leases.nudge(key, { now: deps.clock(), verify: false });
      if (due) dues.push(due);
    }
    await sendDue(deps.queue, dues, deps.clock());
  }
}
