import type { Row } from "../../ports/rows.ts";
import type { ClaimOptions, Lease, Schedule, Settlement, SyncStore } from "../../ports/store.ts";
import { mergeOwned } from "../merge-owned.ts";
import type { Bodies } from "./bodies.ts";
import { all, fenceIsStill, itemExists, leaseIsOurs, leaseIsStill, noNudgeSince, uidIsStill } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import type { Periods } from "./periods.ts";
import { type Changes, isClaimed, type SyncItem, slotAttributes, stateAttributes } from "./rows.ts";
import { syncAt } from "./table.ts";

/** What takes a row and ends the work on it: one conditional write each. */
export function leases(connection: Connection, bodies: Bodies, periods: Periods): Pick<SyncStore, "claim" | "settle"> {
  return { claim: claiming(connection, bodies), settle: settling(connection, bodies, periods) };
}

/**
 * Beside fence and uid the lease must be as it was read: a row that was read while someone held it, and was settled
 * since, has the same fence and another past. So the state is as it was read, too.
 */
function claiming(connection: Connection, bodies: Bodies): SyncStore["claim"] {
  return async (row: Row, { now, until, owned }: ClaimOptions) => {
    connection.count("claim");
    // A refused write would cost as much as one that holds.
    if (isClaimed(row, now)) return undefined;
    const { key, declared, fence, leaseUntil } = row;
    const names = owned && { owned: JSON.stringify(mergeOwned(row.state.owned, owned)) };
    const set: Changes = { fence: fence + 1, leaseUntil: until, dueAt: until, lane: "held", ...names };
    const itIsAsItWasRead = all(itemExists, fenceIsStill(fence), uidIsStill(declared.uid), leaseIsStill(leaseUntil));
    const claimed = await connection.update<SyncItem>(syncAt(key), { set }, itIsAsItWasRead);
    if (!claimed.holds) return undefined;
    const lease = { key, uid: declared.uid, fence: fence + 1, until, nudges: row.nudges };
    return { lease, row: await bodies.rowOf(claimed.item, declared) };
  };
}

/** Who was nudged meanwhile costs a second write: rare, and the first one is what usually holds. */
function settling(connection: Connection, bodies: Bodies, periods: Periods): SyncStore["settle"] {
  return async (lease, settlement) => {
    connection.count("settle");
    const { schedule } = settlement;
    if (schedule.kind === "wheel") await periods.use(schedule.slot.period);
    const settled =
      schedule.kind === "gone" ? await forget(connection, bodies, lease) : await store(connection, lease, settlement);
    if (settled.holds) return "settled";
    const { item } = settled;
    // Another fence or uid, or no row at all: no second write could hold.
    if (item === undefined || item.fence !== lease.fence || item.uid !== lease.uid) return "lost";
    const nudged = await connection.update(
      syncAt(lease.key),
      { set: nudgedAttributes(settlement) },
      leaseIsOurs(lease),
    );
    return nudged.holds ? "nudged" : "lost";
  };
}

function store(connection: Connection, lease: Lease, settlement: Settlement) {
  const set: Changes = { ...settledAttributes(settlement), ...timeAttributes(settlement.schedule), look: false };
  return connection.update<SyncItem>(syncAt(lease.key), { set }, all(leaseIsOurs(lease), noNudgeSince(lease.nudges)));
}

async function forget(connection: Connection, bodies: Bodies, lease: Lease) {
  const removed = await connection.remove<SyncItem>(
    syncAt(lease.key),
    all(leaseIsOurs(lease), noNudgeSince(lease.nudges)),
  );
  if (removed.holds) await bodies.forget(removed.item);
  return removed;
}

function settledAttributes({ state, schedule, now }: Settlement): Changes {
  const slot = schedule.kind === "wheel" ? schedule.slot : undefined;
  return { ...stateAttributes({ ...state, settledAt: now }), ...slotAttributes(slot), leaseUntil: undefined };
}

function timeAttributes(schedule: Schedule): Changes {
  switch (schedule.kind) {
    case "wheel":
      return { dueAt: schedule.dueAt, lane: "refresh" };
    case "due":
      return { dueAt: schedule.at, lane: "now" };
    case "parked":
    case "gone":
      return { dueAt: undefined, lane: "now" };
  }
}

/** Due now whatever the schedule says; its refresh slot on the wheel stays the schedule's, and `verify` may belong to the nudge. */
function nudgedAttributes(settlement: Settlement): Changes {
  return { ...settledAttributes(settlement), dueAt: settlement.now, lane: "now" };
}
