import type { SyncKey } from "../keys.ts";
import type { Declared, Due, Lane, Row, RowState, RowSummary } from "../reconcile/ports.ts";

/** A row of the table `sync`. */
export interface SyncRecord {
  readonly key: SyncKey;
  readonly cluster: string;
  readonly uid: string;
  readonly hash: string;
  readonly generation: number;
  readonly grp: string;
  readonly fence: number;
  readonly nudges: number;
  readonly look: number;
  readonly lane: Lane;
  readonly lease_until: number | null;
  readonly due_at: number | null;
  readonly period: number | null;
  readonly phase: number | null;
  readonly settled_at: number | null;
  readonly declared: string;
  readonly state: string;
}

export function rowOf(record: SyncRecord): Row {
  return {
    key: record.key,
    declared: { ...(JSON.parse(record.declared) as Declared), key: record.key },
    state: stateOf(record),
    nudges: record.nudges,
    look: record.look === 1,
    fence: record.fence,
    ...timesOf(record),
  };
}

export function stateOf(record: Pick<SyncRecord, "state">): RowState {
  return JSON.parse(record.state) as RowState;
}

/** `declared` is left out: a list of 100,000 rows would spend most of its time on it. */
export type SummaryRecord = Omit<SyncRecord, "declared">;

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
