import type { SyncKey } from "../../keys.ts";
import { EMPTY_STATE, type Pushed, type Row, type RowState } from "../../ports/rows.ts";
import {
  type Claimed,
  type ClaimOptions,
  EXPECTED_MS,
  type PathTaken,
  type Settlement,
  type SettleOutcome,
  type SyncStore,
} from "../../ports/store.ts";
import { damagedRow } from "../damage.ts";
import { claimedState, demandNoIssues, recordedState, settledState } from "../left-behind.ts";
import type { Connection } from "./connection.ts";
import type { Indexes } from "./indexes.ts";
import { bodyParams, declaredOf, expectOf, READ_ROW, type SyncRecord, stateOf, unsentAt } from "./rows.ts";

/** Claims rows, records progress and settles. */
export function leases(
  connection: Connection,
  indexes: Indexes,
): Pick<SyncStore, "claim" | "claimPush" | "record" | "settle"> {
  const claim = claiming(connection, indexes);
  return {
    claim: (row, options) => connection.change("claim", () => claim(row, options, []) as Claimed | undefined),
    claimPush: (row, options) => connection.change("claim", () => claim(row, options, options.pushed)),
    record: recording(connection),
    settle: settling(connection, indexes),
  };
}

type ClaimedRecord = Pick<SyncRecord, "body" | "hash" | "fence" | "nudges" | "look" | "expect" | "expect_at">;

/**
 * Besides fence and uid the lease must be unchanged: a row that was read during a lease and settled since has the same
 * fence, but other contents. So the state is unchanged, too.
 */
function claiming(connection: Connection, indexes: Indexes) {
  const isFree = `key = :key AND uid = :uid AND fence = :fence AND lease_until IS :leaseUntil
    AND (lease_until IS NULL OR lease_until <= :now)`;
  const claim = connection.writeOne<ClaimedRecord>(`
    UPDATE sync SET fence = fence + 1, lease_until = :until, due_at = :until, lane = 'now', nudges_seen = :nudgesSeen
    WHERE ${isFree}
    RETURNING body, hash, fence, nudges, look, expect, expect_at`);
  const free = connection.one<{ readonly key: string }>(`SELECT key FROM sync WHERE ${isFree}`);
  const body = connection.part("UPDATE body SET state = :state, issues = :issues, pushed = :pushed WHERE id = :body");
  const record = connection.one<SyncRecord>(READ_ROW);
  const asItStands = (row: Row, claimed: ClaimedRecord): Row => {
    const { hash, fence, nudges, look } = claimed;
    // Declared again between the read and the claim.
    const changed = hash === row.declared.hash ? undefined : record({ key: row.key });
    const declared = changed === undefined ? row.declared : declaredOf(changed);
    if (declared === undefined) throw damagedRow(row.key);
    const { expect: _expect, ...rest } = row;
    return { ...rest, declared, fence, nudges, verify: look === 1, ...expectOf(claimed) };
  };
  // If it was read during a lease, it may have been recorded until that lease ended.
  const stateNow = (row: Row): RowState => {
    const found = record({ key: row.key });
    return found === undefined ? row.state : stateOf(found, connection.damaged);
  };
  return (
    row: Row,
    { now, until, owned }: ClaimOptions,
    pushed: readonly Pushed[],
  ): Claimed | PathTaken | undefined => {
    const { key, declared, fence, leaseUntil = null, nudges } = row;
    const condition = { key, uid: declared.uid, fence, leaseUntil, now };
    if (pushed.length > 0 && free(condition) !== undefined) {
      const taken = indexes.claimPushes(key, row.state, pushed);
      if (taken !== undefined) return taken;
    }
    const claimed = claim({ ...condition, until, nudgesSeen: nudges });
    if (claimed === undefined) return undefined;
    const known = leaseUntil === null ? row.state : stateNow(row);
    const state = claimedState(known, owned, pushed);
    if (state !== known) body({ body: claimed.body, ...bodyParams(state) });
    const after = asItStands(row, claimed);
    return {
      lease: { key, uid: declared.uid, fence: claimed.fence, until, nudges, state, ...expectOf(claimed) },
      row: { ...after, state, leaseUntil: until, dueAt: until },
    };
  };
}

/**
 * Writes one item without the parts that others write: lease, times, nudges, wheels and declaration are stored
 * elsewhere.
 */
function recording(connection: Connection): SyncStore["record"] {
  const body = connection.write(`
    UPDATE body SET state = :state, issues = :issues, pushed = :pushed
    WHERE id = (SELECT body FROM sync WHERE key = :key AND uid = :uid AND fence = :fence AND lease_until > :now)`);
  return (lease, state, now) =>
    connection.change("record", () => {
      const { key, uid, fence } = lease;
      const stored = body({ key, uid, fence, now, ...bodyParams(recordedState(lease, state)) });
      return stored === 1 ? "recorded" : "lost";
    });
}

/**
 * A row that was nudged meanwhile is due now, whatever the schedule says. Its wheel slot follows the schedule, and
 * `verify` stays set, because it may belong to the nudge.
 */
function settling(connection: Connection, indexes: Indexes): SyncStore["settle"] {
  const sync = connection.writeOne<{ readonly body: number; readonly nudges: number }>(`
    UPDATE sync SET settled_at = :now, lease_until = NULL, nudges_seen = NULL, unsent_at = :unsentAt,
      period = :period, phase = :phase,
      renew_period = CASE :renews WHEN 1 THEN :renewPeriod ELSE renew_period END,
      renew_phase = CASE :renews WHEN 1 THEN :renewPhase ELSE renew_phase END,
      expect = CASE WHEN expect <= :reached OR expect_at <= :expectedBefore THEN NULL ELSE expect END,
      due_at = CASE nudges WHEN :nudges THEN :dueAt ELSE :now END,
      lane = CASE nudges WHEN :nudges THEN :lane ELSE 'now' END,
      look = CASE nudges WHEN :nudges THEN 0 ELSE look END
    WHERE key = :key AND uid = :uid AND fence = :fence
    RETURNING body, nudges`);
  const record = connection.one<SyncRecord>(READ_ROW);
  const storedState = (key: SyncKey): RowState => {
    const found = record({ key });
    return found === undefined ? EMPTY_STATE : stateOf(found, connection.damaged);
  };
  const body = connection.part("UPDATE body SET state = :state, issues = :issues, pushed = :pushed WHERE id = :body");
  const removeSync = connection.writeOne<{ readonly body: number }>(
    "DELETE FROM sync WHERE key = :key AND uid = :uid AND fence = :fence AND nudges = :nudges RETURNING body",
  );
  const removeBody = connection.part("DELETE FROM body WHERE id = :body");
  return async (lease, settlement) => {
    const { key, uid, fence, nudges } = lease;
    const { state, schedule, now } = settlement;
    if (schedule.kind === "gone") demandNoIssues(key, state);
    return connection.change("settle", (): SettleOutcome => {
      const condition = { key, uid, fence, nudges };
      const removed = schedule.kind === "gone" ? removeSync(condition) : undefined;
      if (removed !== undefined) {
        removeBody(removed);
        indexes.move(key, lease.state, undefined);
        return "settled";
      }
      const settled = sync({ ...condition, ...settledAttributes(settlement) });
      if (settled === undefined) return "lost";
      const known = settledState(state, () => storedState(key));
      body({ body: settled.body, ...bodyParams({ ...known, settledAt: now }) });
      indexes.move(key, lease.state, state);
      return settled.nudges === nudges ? "settled" : "nudged";
    });
  };
}

function settledAttributes({ state, schedule, renew, reached, now }: Settlement) {
  const due = {
    now,
    unsentAt: unsentAt(state),
    ...{ period: null, phase: null, lane: "now" },
    renews: renew === undefined ? 0 : 1,
    renewPeriod: renew === undefined || renew === "off" ? null : renew.period,
    renewPhase: renew === undefined || renew === "off" ? null : renew.phase,
    reached: reached ?? null,
    expectedBefore: now - EXPECTED_MS,
  };
  switch (schedule.kind) {
    case "wheel":
      return { ...due, ...schedule.slot, dueAt: schedule.dueAt ?? null, lane: "refresh" };
    case "due":
      return { ...due, dueAt: schedule.at };
    case "parked":
    case "gone":
      return { ...due, dueAt: null };
  }
}
