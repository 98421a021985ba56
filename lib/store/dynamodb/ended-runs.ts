import type { EpochMs } from "../../clock.ts";
import type { Due, Lease, SyncStore } from "../../ports/store.ts";
import { awaitingKey, endedState } from "../left-behind.ts";
import { all, fenceIsStill, leaseIsStill, noNudgeSince, recordsAreStill } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { OVERTAKEN, untilItHolds } from "./contention.ts";
import { type Changes, isClaimed, type SyncItem, stateAttributes, stateOf } from "./rows.ts";
import { syncAt } from "./table.ts";

/** Tells a clean-up that the run is over for which it waits: a read, and a write if it does wait. */
export function endedRuns(connection: Connection): Pick<SyncStore, "endRun"> {
  return {
    endRun: (lease, now) => {
      connection.count("endRun");
      const key = awaitingKey(lease);
      return untilItHolds(key, async () => {
        const item = await connection.get<SyncItem>(syncAt(key), "strong");
        return item?.uid === lease.uid ? write(connection, item, lease, now) : undefined;
      });
    },
  };
}

async function write(
  connection: Connection,
  item: SyncItem,
  lease: Lease,
  now: EpochMs,
): Promise<Due | undefined | typeof OVERTAKEN> {
  const state = stateOf(item, connection.damaged);
  const ended = endedState(state, lease);
  if (ended === undefined) return undefined;
  const waits = !isClaimed(item, now) && item.dueAt === state.busyUntil;
  const time: Changes = waits ? { dueAt: now } : {};
  // A nudge: a worker that read the row before settles it as due now.
  const change = { set: { state: stateAttributes(ended).state, ...time }, add: { nudges: 1 } };
  const { holds } = await connection.update(syncAt(item.pk), change, itIsAsItWasRead(item));
  if (!holds) return OVERTAKEN;
  return waits ? { key: item.pk, group: item.grp, lane: "now", at: now } : undefined;
}

/**
 * Every claim, settle, nudge and merge with a later clean-up changes one of these, so its times are unchanged, too. Its
 * key says its uid.
 */
function itIsAsItWasRead({ fence, leaseUntil, nudges, records }: SyncItem) {
  return all(fenceIsStill(fence), leaseIsStill(leaseUntil), noNudgeSince(nudges), recordsAreStill(records));
}
