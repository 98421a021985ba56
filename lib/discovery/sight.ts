import type { EpochMs } from "../clock.ts";
import { OUTAGE_CODES, type SyncError } from "../errors.ts";
import type { RowError } from "../ports/rows.ts";
import type { ClusterState, Cursor } from "../ports/store.ts";
import { isUnreadable, type Progress } from "./list-and-watch.ts";
import type { RowBudget } from "./row-budget.ts";
import type { MissingRows } from "./tombstone-missing.ts";

/** Findings of a cluster's watches so far. */
export interface Sight {
  readonly state: ClusterState;
  readonly error: SyncError | undefined;
}

export interface Findings {
  readonly progressOf: ReadonlyMap<string, Progress>;
  /** The names of what is watched from the start: credentials come when all of it is listed. */
  readonly declared: ReadonlySet<string>;
  readonly budget: RowBudget;
  readonly missing: Pick<MissingRows, "isOpen" | "awaiting" | "problem">;
  /** The time of the pass is over: a list without an end would be cut off by the next one, too. */
  readonly isOver: boolean;
}

/** Each kind has its own cursor; one that may not be read is reported and does not stop the others. */
export function sightOf(before: ClusterState, findings: Findings, now: EpochMs): Sight {
  const { progressOf: targets, declared, budget, missing, isOver } = findings;
  const cursors = cursorsOf(findings);
  const progressOf = [...targets.values()];
  const problems = [...progressOf.map(({ error }) => error), missing.problem()];
  const errors = problems.filter((error) => error !== undefined);
  const outage = errors.find((error) => OUTAGE_CODES.has(error.code));
  const unended = isOver
    ? [...targets].find(([name, one]) => declared.has(name) && isUnended(one))?.[1].error
    : undefined;
  const error = outage ?? unended ?? errors.find(({ code }) => code !== "DEADLINE_EXCEEDED");
  const awaitingApproval = missing.awaiting() ?? (outage && before.awaitingApproval);
  const { error: _error, awaitingApproval: _held, unread: _unread, outOfSight: since, ...rest } = before;
  const unread = unreadOf(before, findings, now);
  // Omitted objects are reported, and do not stop the others.
  const told = error ?? budget.problem();
  const isOutOfSight = unended !== undefined || (error !== undefined && Object.keys(cursors).length === 0);
  const state: ClusterState = {
    ...rest,
    cursors,
    attempts: error ? before.attempts + 1 : 0,
    kept: budget.kept(),
    ...(told ? { error: errorOf(told, before, now) } : {}),
    ...(Object.keys(unread).length > 0 ? { unread } : {}),
    ...(isOutOfSight ? { outOfSight: since ?? now } : {}),
    ...(awaitingApproval
      ? { awaitingApproval: { ...awaitingApproval, since: before.awaitingApproval?.since ?? awaitingApproval.since } }
      : {}),
  };
  return { state, error };
}

/**
 * The maximum size of the cursors of credentials, in bytes of the cluster's row, which must fit into an item of 400 KB:
 * whoever may write declarations chooses how many credentials there are. Those beyond it are listed with each watch
 * pass.
 */
const CREDENTIALS_BYTES = 65_536;

function cursorsOf({ progressOf, declared, missing }: Findings): Record<string, Cursor> {
  const cursors: Record<string, Cursor> = {};
  let room = CREDENTIALS_BYTES;
  for (const [name, { cursor }] of progressOf) {
    // While missing declarations await approval, each watch pass lists their kind again, until they are approved or back.
    if (!cursor || missing.isOpen(name)) continue;
    if (!declared.has(name)) room -= Buffer.byteLength(JSON.stringify([name, cursor]));
    if (declared.has(name) || room >= 0) cursors[name] = cursor;
  }
  return cursors;
}

/** Not a list that ended with the pass before its time: nothing is wrong with it. */
function unreadOf(
  { unread: before }: ClusterState,
  { progressOf, declared, isOver }: Findings,
  now: EpochMs,
): Readonly<Record<string, EpochMs>> {
  const all = [...progressOf].filter(
    ([name, one]) => declared.has(name) && isUnreadable(one) && (isOver || !isUnended(one)),
  );
  return Object.fromEntries(all.map(([name]) => [name, Math.min(before?.[name] ?? now, now)]));
}

/** Its list was cut off. A watch that was cut off has a cursor. */
function isUnended({ cursor, error }: Progress): boolean {
  return cursor === undefined && error?.code === "DEADLINE_EXCEEDED";
}

/** The error for a cluster's row, with the time since when it is this one. */
export function errorOf(
  { code, message }: Pick<SyncError, "code" | "message">,
  { error: before }: ClusterState,
  now: EpochMs,
): RowError {
  return { code, message, since: before?.code === code ? before.since : now };
}

/** For a watch pass's outcome: whether the cluster can't be read. */
export function sightless({ outOfSight }: ClusterState): { readonly isOutOfSight?: true } {
  return outOfSight === undefined ? {} : { isOutOfSight: true };
}
