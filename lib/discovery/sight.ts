import type { EpochMs } from "../clock.ts";
import { OUTAGE_CODES, type SyncError } from "../errors.ts";
import type { RowError } from "../ports/rows.ts";
import type { ClusterState, Cursor } from "../ports/store.ts";
import type { Progress } from "./follow.ts";
import type { RowBudget } from "./row-budget.ts";

/** What a watch pass has found out so far. */
export interface Sight {
  state: ClusterState;
  error?: SyncError;
}

/** Each kind keeps its own cursor; a kind that may not be read is said, and does not keep the others back. */
export function sightOf(
  before: ClusterState,
  { followed: parts, budget }: { readonly followed: ReadonlyMap<string, Progress>; readonly budget: RowBudget },
  now: EpochMs,
): Sight {
  const cursors: Record<string, Cursor> = {};
  // What is held is listed again with each watch pass, until it is believed or back.
  for (const [name, { cursor, held }] of parts) if (cursor && !held) cursors[name] = cursor;
  const followed = [...parts.values()];
  const errors = followed.map(({ error }) => error).filter((error) => error !== undefined);
  const outage = errors.find((error) => OUTAGE_CODES.has(error.code));
  const error = outage ?? errors.find(({ code }) => code !== "DEADLINE_EXCEEDED");
  const held = followed.map((progress) => progress.held).find((found) => found !== undefined);
  const { error: _error, held: _held, outOfSight: since, ...rest } = before;
  // What was left out is told, and keeps nothing else back.
  const told = error ?? budget.problem();
  const isOutOfSight = error !== undefined && Object.keys(cursors).length === 0;
  const state: ClusterState = {
    ...rest,
    cursors,
    attempts: error ? before.attempts + 1 : 0,
    kept: budget.kept(),
    ...(told ? { error: errorOf(told, before, now) } : {}),
    ...(isOutOfSight ? { outOfSight: since ?? now } : {}),
    ...(held ? { held: { ...held, since: before.held?.since ?? held.since } } : {}),
  };
  return { state, ...(error ? { error } : {}) };
}

/** The error as it stands on a cluster's row: since when it has been this one. */
export function errorOf(
  { code, message }: Pick<SyncError, "code" | "message">,
  { error: before }: ClusterState,
  now: EpochMs,
): RowError {
  return { code, message, since: before?.code === code ? before.since : now };
}

/** For a watch pass's outcome: whether the cluster can't be looked at. */
export function sightless({ outOfSight }: ClusterState): { readonly isOutOfSight?: true } {
  return outOfSight === undefined ? {} : { isOutOfSight: true };
}
