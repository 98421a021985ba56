import type { EpochMs } from "../../clock.ts";
import { parseKey, type SyncKey } from "../../keys.ts";
import type { Declared, Lane, Row, RowState } from "../../ports/rows.ts";
import type { Due, RowSummary } from "../../ports/store.ts";
import type { OnDamage } from "../damage.ts";
import { isTime, parsed, soundDeclared, soundIssues, soundPushed, soundSlot, soundState } from "../stored.ts";

/** A row of the tables `sync` and `body`. */
export interface SyncRecord extends Omit<SummaryRecord, "bytes"> {
  readonly body: number;
  readonly grp: string;
  readonly fence: number;
  readonly nudges: number;
  readonly nudges_seen: number | null;
  readonly look: number;
  readonly lane: string;
  readonly settled_at: number | null;
  readonly expect: number | null;
  readonly expect_at: number | null;
  readonly renew_period: number | null;
  readonly renew_phase: number | null;
  readonly declared: string;
}

/** The cluster of retired rows; not a valid cluster name. */
export const RETIRED = "";

/** Without `declared`, which would take most of the time for a list of 100,000 rows. */
export interface SummaryRecord {
  readonly key: SyncKey;
  readonly uid: string;
  readonly hash: string;
  readonly generation: number;
  readonly lease_until: number | null;
  readonly due_at: number | null;
  readonly period: number | null;
  readonly phase: number | null;
  readonly state: string;
  /** JSON: separate lists, so that they survive damage to the rest of the state. */
  readonly issues: string | null;
  readonly pushed: string | null;
  /** The size of the declaration. */
  readonly bytes: number;
}

export const READ_ROW =
  "SELECT sync.*, body.state, body.issues, body.pushed, body.declared FROM sync JOIN body ON body.id = sync.body WHERE key = :key";

export function isClaimed(record: Pick<SyncRecord, "lease_until">, now: EpochMs): boolean {
  return record.lease_until !== null && record.lease_until > now;
}

/** Undefined when it can't be read. */
export function rowOf(record: SyncRecord, damaged: OnDamage): Row | undefined {
  const declared = isKey(record.key) ? declaredOf(record) : undefined;
  if (declared === undefined) {
    damaged(record.key);
    return undefined;
  }
  const renew = soundSlot(record.renew_period, record.renew_phase);
  return {
    key: record.key,
    declared,
    state: stateOf(record, damaged),
    nudges: record.nudges,
    ...(record.nudges_seen === null ? {} : { nudgesSeen: record.nudges_seen }),
    verify: record.look === 1,
    fence: record.fence,
    ...timesOf(record),
    ...(renew && { renew }),
    ...expectOf(record),
  };
}

/** A clean-up's declaration has the clean-up's key. */
export function declaredOf(record: Pick<SyncRecord, "key" | "declared">): Declared | undefined {
  const declared = soundDeclared(parsed(record.declared));
  return declared && { ...declared, key: record.key };
}

export function stateOf(record: Pick<SyncRecord, "key" | "state" | "issues" | "pushed">, damaged: OnDamage): RowState {
  const tell = () => damaged(record.key);
  const state = soundState(parsed(record.state), tell);
  return {
    ...state,
    ...(record.issues === null ? {} : { issues: soundIssues(parsed(record.issues), tell) }),
    ...(record.pushed === null ? {} : { pushed: soundPushed(parsed(record.pushed), tell) }),
  };
}

/** The columns of `body` for a state. */
export function bodyParams({ issues = [], pushed = [], ...state }: RowState) {
  return {
    state: JSON.stringify(state),
    issues: issues.length === 0 ? null : JSON.stringify(issues),
    pushed: pushed.length === 0 ? null : JSON.stringify(pushed),
  };
}

/** The time of the oldest unsent event. */
export function unsentAt({ unsent = [] }: RowState): EpochMs | null {
  return unsent.length === 0 ? null : Math.min(...unsent.map(({ at }) => at));
}

export function expectOf(record: Pick<SyncRecord, "expect" | "expect_at">): Pick<Row, "expect"> {
  const { expect: version, expect_at: at } = record;
  return version === null || at === null ? {} : { expect: { version, at } };
}

export function isKey(key: string): boolean {
  return parseKey(key) !== undefined;
}

export function summaryOf(record: SummaryRecord, damaged: OnDamage): RowSummary {
  const { refs, waitsFor, error, attempts, syncedAt } = stateOf(record, damaged);
  return {
    key: record.key,
    uid: record.uid,
    hash: record.hash,
    generation: record.generation,
    refs,
    ...(waitsFor === undefined ? {} : { waitsFor }),
    ...(error === undefined ? {} : { error }),
    attempts,
    ...(syncedAt === undefined ? {} : { syncedAt }),
    ...timesOf(record),
    bytes: record.bytes,
  };
}

function timesOf(
  record: Pick<SummaryRecord, "lease_until" | "due_at" | "period" | "phase">,
): Pick<Row, "leaseUntil" | "dueAt" | "wheel"> {
  const wheel = soundSlot(record.period, record.phase);
  return {
    ...(isTime(record.lease_until) ? { leaseUntil: record.lease_until } : {}),
    ...(isTime(record.due_at) ? { dueAt: record.due_at } : {}),
    ...(wheel && { wheel }),
  };
}

export interface DueRecord {
  readonly key: SyncKey;
  readonly grp: string;
  readonly lane: Lane;
  readonly due_at: number;
}

export function dueOf(record: DueRecord): Due {
  return {
    key: record.key,
    group: record.grp,
    lane: record.lane === "refresh" || record.lane === "renew" ? record.lane : "now",
    at: record.due_at,
  };
}
