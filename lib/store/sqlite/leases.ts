import type { SyncKey } from "../../keys.ts";
import { EMPTY_STATE, type Pushed, type Row, type RowState } from "../../ports/rows.ts";
import {
  type Claimed,
  type ClaimOptions,
  type ClaimPushOptions,
  EXPECTED_MS,
  type PathTaken,
  type Schedule,
  type Settlement,
  type SettleOutcome,
  type SyncStore,
} from "../../ports/store.ts";
import { damagedRow } from "../damage.ts";
import { claimedState, demandNoIssues, recordedState, settledState } from "../left-behind.ts";
import type { Connection, Params } from "./connection.ts";
import type { Indexes } from "./indexes.ts";
import { bodyParams, expectOf, READ_ROW, rowOf, type SyncRecord, stateOf, unsentAt } from "./rows.ts";

/** Claims rows, records progress and settles. */
export function leases(
  connection: Connection,
  indexes: Indexes,
): Pick<SyncStore, "claim" | "claimPush" | "record" | "settle"> {
  const claim = claiming(connection);
  const takePaths = pathTaking(connection, indexes);
  return {
    claim: (row, options) => connection.change("claim", () => claim(row, options, [])),
    claimPush: (row, options) =>
      connection.change("claim", () => takePaths(row, options) ?? claim(row, options, options.pushed)),
    record: recording(connection),
    settle: settling(connection, indexes),
  };
}

type ClaimedRecord = Pick<SyncRecord, "body" | "hash" | "fence" | "nudges" | "look" | "expect" | "expect_at">;

/**
 * Besides fence and uid the lease must be unchanged: a row that was read during a lease and settled since has the same
 * fence, but other contents. So the state is unchanged, too.
 */
const IS_FREE = `key = :key AND uid = :uid AND fence = :fence AND lease_until IS :leaseUntil
  AND (lease_until IS NULL OR lease_until <= :now)`;

function freeParams({ key, declared: { uid }, fence, leaseUntil }: Row, { now }: ClaimOptions): Params {
  return { key, uid, fence, leaseUntil: leaseUntil ?? null, now };
}

function claiming(connection: Connection) {
  const claim = connection.writeOne<ClaimedRecord>(`
    UPDATE sync SET fence = fence + 1, lease_until = :until, due_at = :until, lane = 'now', nudges_seen = :nudgesSeen
    WHERE ${IS_FREE}
    RETURNING body, hash, fence, nudges, look, expect, expect_at`);
  const body = connection.part("UPDATE body SET state = :state, pushed = :pushed WHERE id = :body");
  const records = connection.all<SyncRecord>(READ_ROW);
  // Declared again between the read and the claim; or read during a lease, and recorded until that lease ended.
  const contentsNow = (row: Row, hash: string): Pick<Row, "declared" | "state"> => {
    if (hash === row.declared.hash && row.leaseUntil === undefined) return row;
    const [found] = records({ key: row.key }).map((record) => rowOf(record, connection.damaged));
    if (found === undefined) throw damagedRow(row.key);
    return found;
  };
  return (row: Row, options: ClaimOptions, pushed: readonly Pushed[]): Claimed | undefined => {
    const { until, owned } = options;
    const claimed = claim({ ...freeParams(row, options), until, nudgesSeen: row.nudges });
    if (claimed === undefined) return undefined;
    const { hash, fence, nudges, look } = claimed;
    const now = contentsNow(row, hash);
    const state = claimedState(now.state, owned, pushed);
    if (state !== now.state) {
      const { issues: _issues, ...columns } = bodyParams(state);
      body({ body: claimed.body, ...columns });
    }
    const { expect: _expect, ...rest } = row;
    const times = { leaseUntil: until, dueAt: until };
    return {
      lease: { key: row.key, uid: row.declared.uid, fence, until, nudges: row.nudges, state, ...expectOf(claimed) },
      row: {
        ...rest,
        declared: now.declared,
        state,
        fence,
        nudges,
        nudgesSeen: row.nudges,
        verify: look === 1,
        ...times,
        ...expectOf(claimed),
      },
    };
  };
}

/** Takes the paths for a row that can be claimed; or returns one that another row holds. */
function pathTaking(connection: Connection, indexes: Indexes) {
  const free = connection.one<{ readonly key: string }>(`SELECT key FROM sync WHERE ${IS_FREE}`);
  return (row: Row, options: ClaimPushOptions): PathTaken | undefined => {
    if (free(freeParams(row, options)) === undefined) return undefined;
    return indexes.claimPushes(row.key, row.state, options.pushed);
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
    UPDATE sync SET settled_at = :now, lease_until = NULL, unsent_at = :unsentAt,
      period = :period, phase = :phase,
      renew_period = CASE :renews WHEN 1 THEN :renewPeriod ELSE renew_period END,
      renew_phase = CASE :renews WHEN 1 THEN :renewPhase ELSE renew_phase END,
      expect = CASE WHEN expect <= :reached OR expect_at <= :expectedBefore THEN NULL ELSE expect END,
      due_at = CASE nudges WHEN :nudges THEN :dueAt ELSE :now END,
      lane = CASE WHEN nudges = :nudges AND :period IS NOT NULL THEN 'refresh' ELSE 'now' END,
      look = CASE nudges WHEN :nudges THEN 0 ELSE look END
    WHERE key = :key AND uid = :uid AND fence = :fence
    RETURNING body, nudges`);
  const records = connection.all<SyncRecord>(READ_ROW);
  const storedState = (key: SyncKey): RowState => {
    const [stored = EMPTY_STATE] = records({ key }).map((record) => stateOf(record, connection.damaged));
    return stored;
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
      const settled = sync({ ...condition, ...settledParams(settlement) });
      if (settled === undefined) return "lost";
      const known = settledState(state, () => storedState(key));
      body({ body: settled.body, ...bodyParams({ ...known, settledAt: now }) });
      indexes.move(key, lease.state, state);
      return settled.nudges === nudges ? "settled" : "nudged";
    });
  };
}

/** A parameter that is missing is NULL. */
function settledParams({ state, schedule, renew, reached, now }: Settlement): Params {
  return {
    now,
    unsentAt: unsentAt(state),
    ...(renew === undefined ? {} : { renews: 1 }),
    ...(renew === undefined || renew === "off" ? {} : { renewPeriod: renew.period, renewPhase: renew.phase }),
    ...(reached === undefined ? {} : { reached }),
    expectedBefore: now - EXPECTED_MS,
    ...timeParams(schedule),
  };
}

function timeParams(schedule: Schedule): Params {
  if (schedule.kind === "wheel") return { ...schedule.slot, dueAt: schedule.dueAt ?? null };
  return schedule.kind === "due" ? { dueAt: schedule.at } : {};
}
