import type { EpochMs } from "../../clock.ts";
import type { Pushed, RefreshSlot, Row } from "../../ports/rows.ts";
import type { Claimed, ClaimOptions, Lease, Schedule, Settlement, SyncStore } from "../../ports/store.ts";
import { demandNoIssues, mergeOwned, mergePushed, recordedState, settledState } from "../left-behind.ts";
import { isExpectationOver } from "../nudging.ts";
import type { Bodies } from "./bodies.ts";
import {
  all,
  fenceIsStill,
  leaseIsOurs,
  leaseIsStill,
  leaseLasts,
  noNudgeSince,
  recordsAreStill,
  uidIsStill,
} from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { OVERTAKEN, untilItHolds } from "./contention.ts";
import type { Indexes } from "./indexes.ts";
import type { Periods } from "./periods.ts";
import {
  type Changes,
  expectOf,
  indexedState,
  isClaimed,
  ownedOf,
  recordAttributes,
  renewAttributes,
  type SyncItem,
  slotAttributes,
  stateAttributes,
  stateOf,
} from "./rows.ts";
import { type ItemKey, syncAt } from "./table.ts";

/** Claims rows, records progress and settles: one conditional write each, unless a path is pushed to. */
export function leases(
  connection: Connection,
  bodies: Bodies,
  periods: Periods,
  indexes: Indexes,
): Pick<SyncStore, "claim" | "claimPush" | "record" | "settle"> {
  return {
    claim: claiming(connection, bodies),
    claimPush: claimingPush(connection, bodies, indexes),
    record: recording(connection),
    settle: settling(connection, bodies, periods, indexes),
  };
}

/**
 * Besides fence and uid the lease must be unchanged: a row that was read during a lease and settled since has the same
 * fence, but other contents. So the state is unchanged, too.
 */
function itIsAsItWasRead({ declared, fence, leaseUntil }: Row) {
  return all(fenceIsStill(fence), uidIsStill(declared.uid), leaseIsStill(leaseUntil));
}

function claimAttributes({ fence, nudges }: Row, until: number) {
  return { fence: fence + 1, leaseUntil: until, dueAt: until, lane: "held", nudgesSeen: nudges } as const;
}

function claiming(connection: Connection, bodies: Bodies): SyncStore["claim"] {
  return async (row: Row, { now, until, owned }: ClaimOptions) => {
    connection.count("claim");
    // A refused write costs as much as a successful one.
    if (isClaimed(row, now)) return undefined;
    const read = await ownedNow(connection, row);
    if (read === undefined) return undefined;
    const names = owned && { owned: JSON.stringify(mergeOwned(read.owned, owned)) };
    const set: Changes = { ...claimAttributes(row, until), ...names };
    const condition = all(itIsAsItWasRead(row), ...read.conditions);
    const claimed = await connection.update<SyncItem>(syncAt(row.key), { set }, condition);
    return claimed.holds ? claimedOf(bodies, row, claimed.item, until) : undefined;
  };
}

/** A row that was read during a lease may have been recorded until that lease ended. Undefined: it is gone. */
async function ownedNow(connection: Connection, { key, leaseUntil, state }: Row) {
  if (leaseUntil === undefined) return { owned: state.owned, conditions: [] };
  const item = await connection.get<SyncItem>(syncAt(key), "strong");
  if (item === undefined) return undefined;
  return { owned: ownedOf(item, connection.damaged), conditions: [recordsAreStill(item.records)] };
}

async function claimedOf(bodies: Bodies, read: Row, item: SyncItem, until: number): Promise<Claimed> {
  const { key, declared, nudges } = read;
  const row = await bodies.rowOf(item, declared);
  const state = indexedState(item, row.state);
  return { lease: { key, uid: declared.uid, fence: row.fence, until, nudges, state, ...expectOf(item) }, row };
}

/** Claims the row and the paths in one transaction. After a concurrent nudge or declaration it reads again. */
function claimingPush(connection: Connection, bodies: Bodies, indexes: Indexes): SyncStore["claimPush"] {
  return async (row, { now, until, owned, pushed }) => {
    connection.count("claim");
    if (isClaimed(row, now)) return undefined;
    return untilItHolds(row.key, async () => {
      const item = await connection.get<SyncItem & ItemKey>(syncAt(row.key), "strong");
      if (item === undefined || !isStill(row, item)) return undefined;
      const taken = await indexes.taken(row.key, pushed);
      if (taken !== undefined) return taken;
      const claimed = await claimWithPaths(connection, indexes, { row, item, pushed, owned, until });
      return claimed === undefined ? OVERTAKEN : claimedOf(bodies, row, claimed, until);
    });
  };
}

/** No claim or settle since it was read. */
function isStill({ fence, declared, leaseUntil }: Row, item: SyncItem): boolean {
  return fence === item.fence && declared.uid === item.uid && leaseUntil === item.leaseUntil;
}

interface PushClaim {
  readonly row: Row;
  readonly item: SyncItem & ItemKey;
  readonly pushed: readonly Pushed[];
  readonly owned: ClaimOptions["owned"];
  readonly until: number;
}

/** Undefined: a nudge, a declaration or a claim of a path interfered. */
async function claimWithPaths(
  connection: Connection,
  indexes: Indexes,
  { row, item, pushed, owned, until }: PushClaim,
): Promise<SyncItem | undefined> {
  const state = stateOf(item, connection.damaged);
  // Recorded paths stay.
  const paths = mergePushed(pushed, state.pushed);
  const after = {
    ...item,
    ...claimAttributes(row, until),
    ...(owned && { owned: JSON.stringify(mergeOwned(state.owned, owned)) }),
    pushed: JSON.stringify(paths),
  };
  // A changed declaration is a nudge.
  const asRead = all(itIsAsItWasRead(row), noNudgeSince(item.nudges), recordsAreStill(item.records));
  const isDone = await connection.transact([
    { put: after, when: asRead },
    ...indexes.pushWrites(row.key, after.fence, paths),
  ]);
  return isDone ? after : undefined;
}

/** One write of one item; indexes change only with the settle. */
function recording(connection: Connection): SyncStore["record"] {
  return async (lease, state, now) => {
    connection.count("record");
    const set = recordAttributes(recordedState(lease, state));
    const stored = await connection.update(
      syncAt(lease.key),
      { set, add: { records: 1 } },
      all(leaseIsOurs(lease), leaseLasts(now)),
    );
    return stored.holds ? "recorded" : "lost";
  };
}

/** A nudge in between costs a second write, but is rare. */
function settling(connection: Connection, bodies: Bodies, periods: Periods, indexes: Indexes): SyncStore["settle"] {
  return async (lease, settlement) => {
    connection.count("settle");
    const { key, fence } = lease;
    const { schedule, state } = settlement;
    if (schedule.kind === "gone") demandNoIssues(key, state);
    await usePeriods(periods, settlement);
    const undo = await indexes.join(key, fence, lease.state, state);
    const outcome = await write(connection, bodies, lease, settlement);
    if (outcome === "lost" || outcome === "gone") await undo();
    if (outcome !== "lost") await indexes.leave(key, fence, lease.state, outcome === "gone" ? undefined : state);
    return outcome === "gone" ? "settled" : outcome;
  };
}

async function usePeriods(periods: Periods, { schedule, renew }: Settlement): Promise<void> {
  if (schedule.kind === "wheel") await periods.use("refresh", schedule.slot.period);
  if (renew !== undefined && renew !== "off") await periods.use("renew", renew.period);
}

async function write(
  connection: Connection,
  bodies: Bodies,
  lease: Lease,
  settlement: Settlement,
): Promise<"settled" | "gone" | "nudged" | "lost"> {
  const { schedule } = settlement;
  const isGone = schedule.kind === "gone";
  const first = isGone
    ? await forget(connection, bodies, lease)
    : await store(connection, lease, settlement, timeAttributes(schedule));
  if (first.holds) return isGone ? "gone" : "settled";
  const { item } = first;
  if (item === undefined) return "lost";
  // Nudged, or lost: then the second write fails, too.
  const known = settledState(settlement.state, () => stateOf(item, connection.damaged));
  const settled = { ...settlement, state: known };
  const set = { ...nudgedAttributes(lease, settled), ...expectAttributes(expectOf(item).expect, settlement) };
  const nudged = await connection.update(syncAt(lease.key), { set }, leaseIsOurs(lease));
  return nudged.holds ? "nudged" : "lost";
}

function store(connection: Connection, lease: Lease, settlement: Settlement, times: Changes) {
  const set: Changes = {
    ...settledAttributes(lease, settlement),
    ...times,
    ...expectAttributes(lease.expect, settlement),
    look: false,
  };
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

function settledAttributes({ nudges: nudgesSettled }: Lease, { state, schedule, renew, now }: Settlement): Changes {
  const { slot }: { readonly kind: string; readonly slot?: RefreshSlot } = schedule;
  return {
    ...stateAttributes({ ...state, settledAt: now }),
    ...slotAttributes(slot),
    ...renewAttributes(renew),
    leaseUntil: undefined,
    nudgesSeen: undefined,
    nudgesSettled,
  };
}

function expectAttributes(expect: Lease["expect"], { reached, now }: Settlement): Changes {
  if (expect === undefined || !isExpectationOver(expect, now, reached)) return {};
  return { expectVersion: undefined, expectAt: undefined };
}

/** A row without a time is in no index of times, so its lane says nothing. */
function timeAttributes(schedule: Exclude<Schedule, { readonly kind: "gone" }>): Changes {
  if (schedule.kind === "wheel") return { dueAt: schedule.dueAt, lane: "refresh" };
  const { at: dueAt }: { readonly kind: string; readonly at?: EpochMs } = schedule;
  return { dueAt, lane: "now" };
}

/**
 * Due now, whatever the schedule says; its slot on the wheel follows the schedule, and `verify` may belong to the
 * nudge.
 */
function nudgedAttributes(lease: Lease, settlement: Settlement): Changes {
  return { ...settledAttributes(lease, settlement), dueAt: settlement.now, lane: "now" };
}
