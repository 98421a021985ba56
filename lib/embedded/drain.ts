import type { EpochMs } from "../clock.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import { NUDGE_GAP_MS } from "../ports/store.ts";
import { duePages } from "../schedule/due-pages.ts";
import type { InProcessQueue } from "./queue.ts";

type DrainDeps = Pick<ReconcileDeps, "leases" | "clock" | "sleep">;

/**
 * Runs what is due, and what was asked for before the call but waits, for 2 s at most, because its sync ran just before
 * (lease-table 9). Retries and later nudges stay for the next process. `dispatch` sends what is due, until the signal.
 */
export async function drain(
  { leases, clock, sleep }: DrainDeps,
  queue: Pick<InProcessQueue, "idle">,
  dispatch: () => Promise<unknown>,
  stop: AbortSignal,
): Promise<void> {
  const begun = clock();
  const runDue = async (): Promise<void> => {
    await dispatch();
    // Work can cause work, which the queue takes, too: a nudge of another row, a clean-up.
    await queue.idle();
  };
  await runDue();
  // Its time may have come during this work.
  const last = await lastNudged(leases, { after: begun, until: begun + NUDGE_GAP_MS, now: clock() });
  if (last === undefined) return;
  // Timers may be early by a part of a millisecond.
  await sleep(Math.min(Math.max(last - clock(), 0) + 1, NUDGE_GAP_MS), stop);
  await runDue();
}

/** When the last row that was nudged since its last claim becomes due in this time; undefined: there is none. */
async function lastNudged(
  leases: DrainDeps["leases"],
  range: Parameters<typeof duePages>[1],
): Promise<EpochMs | undefined> {
  let last: EpochMs | undefined;
  for await (const page of duePages(leases, range)) {
    const keys = page.map(({ key }) => key);
    const rows = await leases.read(keys, "strong");
    for (const { key, at } of page) {
      const row = rows.get(key);
      if (row && row.nudges > (row.nudgesSeen ?? 0)) last = at;
    }
  }
  return last;
}
