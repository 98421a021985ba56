import type { SyncStore } from "../../ports/store.ts";
import { awaitingKey, endedState } from "../left-behind.ts";
import type { Connection } from "./connection.ts";
import { bodyParams, isClaimed, READ_ROW, type SyncRecord, stateOf } from "./rows.ts";

/** Tells a clean-up that the run is over for which it waits. */
export function endedRuns(connection: Connection): Pick<SyncStore, "endRun"> {
  const record = connection.one<SyncRecord>(READ_ROW);
  // A nudge: a worker that read the row before settles it as due now. What is no longer declared is in no other lane.
  const sync = connection.write(`
    UPDATE sync SET nudges = nudges + 1, due_at = coalesce(:dueAt, due_at) WHERE key = :key`);
  const body = connection.part("UPDATE body SET state = :state WHERE id = :body");
  return {
    endRun: (lease, now) =>
      connection.change("endRun", () => {
        const key = awaitingKey(lease);
        const old = record({ key });
        if (old?.uid !== lease.uid) return undefined;
        const state = stateOf(old, connection.damaged);
        const ended = endedState(state, lease);
        if (ended === undefined) return undefined;
        const waits = !isClaimed(old, now) && old.due_at === state.busyUntil;
        sync({ key, dueAt: waits ? now : null });
        body({ body: old.body, state: bodyParams(ended).state });
        return waits ? { key, group: old.grp, lane: "now", at: now } : undefined;
      }),
  };
}
