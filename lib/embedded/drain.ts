import type { EpochMs } from "../clock.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import { NUDGE_GAP_MS } from "../ports/store.ts";
import { duePages } from "../schedule/due-pages.ts";
import type { InProcessQueue } from "./queue.ts";

type DrainDeps = Pick<ReconcileDeps, "leases" | "clock" | "sleep">;

/**
 * Runs what is due, and what was asked for before the call but waits, for 2 s at most, because its sync ran just before
 * (lease-table 9). Retries, and nudges that come meanwhile, stay for the next process. `dispatch` sends what is due.
 */
export async function drain(
  { leases, clock, sleep }: DrainDeps,
  queue: Pick<InProcessQueue, "idle">,
  dispatch: () => Promise<unknown>,
  stop: AbortSignal,
): Promise<void> {
  const until = clock() + NUDGE_GAP_MS;
  const runDue = async (): Promise<void> => {
    await dispatch();
    // Work can cause work, which the queue takes, too: a nudge of another row, a clean-up.
    await queue.idle();
  };
  await runDue();
  const last = await lastNudged(leases, { after: clock(), until });
  if (last === undefined || stop.aborted) return;
  // Timers may be early by a part of a millisecond.
  await sleep(Math.min(Math.max(last - clock(), 0) + 1, NUDGE_GAP_MS), stop);
  if (!stop.aborted) await runDue();
}

/** When the last row that was nudged since its last claim becomes due in this time; undefined: there is none. */
async function lastNudged(
  leases: DrainDeps["leases"],
  { after, until }: { readonly after: EpochMs; readonly until: EpochMs },
): Promise<EpochMs | undefined> {
  let last: EpochMs | undefined;
  for await (const page of duePages(leases, { after, until, now: after })) {
    const keys = page.map(({ key }) => key);
    const rows = await leases.read(keys, "strong");
    for (const { key, at } of page) {
      const row = rows.get(key);
      if (row && row.nudges > (row.nudgesSeen ?? 0)) last = at;
    }
  }
  return last;
}
