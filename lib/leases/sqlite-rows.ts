import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { Declared, Due, Lane, Row, RowState, RowSummary } from "../reconcile/ports.ts";

/** A row of the tables `sync` and `body`. */
export interface SyncRecord extends SummaryRecord {
  readonly body: number;
  readonly grp: string;
  readonly fence: number;
  readonly nudges: number;
  readonly look: number;
  readonly settled_at: number | null;
  readonly declared: string;
}

/** `declared` is left out: a list of 100,000 rows would spend most of its time on it. */
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
}

export const READ_ROW =
  "SELECT sync.*, body.state, body.declared FROM sync JOIN body ON body.id = sync.body WHERE key = :key";

export function isHeld(record: Pick<SyncRecord, "lease_until">, now: EpochMs): boolean {
  return record.lease_until !== null && record.lease_until > now;
}

export function rowOf(record: SyncRecord): Row {
  return {
    key: record.key,
    declared: declaredOf(record),
    state: stateOf(record),
    nudges: record.nudges,
    look: record.look === 1,
    fence: record.fence,
    ...timesOf(record),
  };
}

/** A clean-up's declaration goes by the clean-up's key. */
export function declaredOf(record: Pick<SyncRecord, "key" | "declared">): Declared {
  return { ...(JSON.parse(record.declared) as Declared), key: record.key };
}

export function stateOf(record: Pick<SyncRecord, "state">): RowState {
  return JSON.parse(record.state) as RowState;
}

export function summaryOf(record: SummaryRecord): RowSummary {
  const { refs, vault, error, attempts, syncedAt } = stateOf(record);
  return {
    key: record.key,
    uid: record.uid,
    hash: record.hash,
    generation: record.generation,
    refs,
    ...(vault === undefined ? {} : { vault }),
    ...(error === undefined ? {} : { error }),
    attempts,
    ...(syncedAt === undefined ? {} : { syncedAt }),
    ...timesOf(record),
  };
}

function timesOf(record: SummaryRecord): Pick<Row, "leaseUntil" | "dueAt" | "wheel"> {
  return {
    ...(record.lease_until === null ? {} : { leaseUntil: record.lease_until }),
    ...(record.due_at === null ? {} : { dueAt: record.due_at }),
    ...(record.period === null || record.phase === null
      ? {}
      : { wheel: { period: record.period, phase: record.phase } }),
  };
}

export interface DueRecord {
  readonly key: SyncKey;
  readonly grp: string;
  readonly lane: Lane;
  readonly due_at: number;
}

export function dueOf(record: DueRecord): Due {
  return { key: record.key, group: record.grp, lane: record.lane, at: record.due_at };
}
