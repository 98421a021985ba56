import type { EpochMs } from "../clock.ts";
import { endIssues } from "../issues/end-issues.ts";
import { dueEnds, endingAt, endingByItself, endingUnanswered, nextEnd, renewSlotOf } from "../issues/issue-times.ts";
import { lookedAt } from "../issues/replaced.ts";
import { isCleanupKey, type SyncKey } from "../keys.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Issue } from "../ports/issues.ts";
import { isApplied, isNudged, ownsNothing, type Row, type RowState } from "../ports/rows.ts";
import type { Schedule, Settlement } from "../ports/store.ts";
import type { RolloutTarget } from "../ports/workloads.ts";
import { rolloutComplete } from "../rollout/complete.ts";
import { claimOf } from "./claim.ts";
import { isBeingDeleted } from "./standing.ts";

/**
 * Whether the row is due for nothing but the end of former credentials: its own next run has another time. Then the
 * sync itself is left alone.
 */
export function isOnlyEnding(row: Row): boolean {
  const { state, dueAt } = row;
  const end = nextEnd(state);
  if (end === undefined || dueAt !== end || ownTimes(state).includes(end)) return false;
  // A deletion, a change or a nudge may have made it due at the very same time, or come when it was due.
  if (isBeingDeleted(row)) return isCleared(state);
  return !row.verify && !isNudged(row) && (isApplied(row) || state.error !== undefined);
}

/** Its clean-up is done, except for what Vault has not ended yet. */
function isCleared({ owned, issues = [] }: RowState): boolean {
  return owned.length === 0 && issues.every(({ state }) => state === "ending");
}

/** The times at which the row wants a whole run. */
function ownTimes({ error, nextAt, rollout }: RowState): readonly EpochMs[] {
  const next = error === undefined ? nextAt : error.nextAt;
  return [next, rollout?.at].filter((time) => time !== undefined);
}

/** Ends former credentials that are due; everything else of the row stays as it is. */
export async function endFormer(
  deps: ReconcileDeps,
  row: Row,
  targets: readonly RolloutTarget[] | undefined,
  signal: AbortSignal,
): Promise<void> {
  const claim = claimOf(deps, row);
  if (!(await claim.take())) return;
  await endDue(deps, claim, targets, signal);
  await claim.settle(stayed(claim.row, deps.clock()));
}

/**
 * Ends what is due, and notes the result in the claim. `targets`: workloads that may still use a former credential;
 * undefined when they can't be looked at now.
 */
export async function endDue(
  deps: ReconcileDeps,
  claim: Claim,
  targets: readonly RolloutTarget[] | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { key, state } = claim.row;
  const due = dueEnds(state, deps.clock());
  if (due.length === 0) return;
  const [inUse, ready] = [due.filter(isInUse), due.filter((issue) => !isInUse(issue))];
  const looked = await Promise.all(inUse.map((issue) => look(deps, key, issue, targets, signal)));
  const bySerial = new Map(looked.map((issue) => [issue.serial, issue]));
  const issues = (state.issues ?? []).map((issue) => bySerial.get(issue.serial) ?? issue);
  claim.note({ issues: await endIssues(deps, key, issues, ready, signal) });
}

function isInUse({ inUseUntil }: Issue): boolean {
  return inUseUntil !== undefined;
}

async function look(
  deps: ReconcileDeps,
  key: SyncKey,
  issue: Issue,
  targets: readonly RolloutTarget[] | undefined,
  signal: AbortSignal,
): Promise<Issue> {
  const since = deps.clock();
  const looked = rolloutComplete(deps, key, targets ?? [], issue.replacedAt ?? since, signal);
  return lookedAt(issue, await looked.catch(() => undefined), deps.clock());
}

/** When a row is due after a claim that was for something else than its own work: its nudges count as seen then. */
export function dueAfter({ dueAt, ...row }: Row, now: EpochMs): EpochMs | undefined {
  return isNudged(row) ? now : dueAt;
}

/**
 * The row as it was, with its own next time and that of its endings. `due`: it was due then for another reason, such
 * as a nudge.
 */
export function stayed(row: Row, now: EpochMs, due?: EpochMs): Settlement {
  const { state, wheel } = row;
  const times = [...ownTimes(state), nextEnd(state), due].filter((time) => time !== undefined);
  const dueAt = times.length === 0 ? undefined : Math.min(...times);
  if (isCleanupKey(row.key) && ownsNothing(state)) return { state, schedule: { kind: "gone" }, now };
  const schedule: Schedule = wheel
    ? { kind: "wheel", slot: wheel, ...(dueAt === undefined ? {} : { dueAt }) }
    : dueAt === undefined
      ? { kind: "parked" }
      : { kind: "due", at: dueAt };
  return { state, schedule, renew: renewSlotOf(row.key, state.issues ?? [], now), now };
}

/**
 * The declaration is gone: ends everything that the row has in Vault, as far as Vault answers. What can't be ended yet
 * stays in the row, with its time: no finalizer waits for it.
 */
export async function endAll(deps: ReconcileDeps, claim: Claim, signal: AbortSignal): Promise<void> {
  const { issues = [] } = claim.row.state;
  if (issues.length === 0) return;
  const now = deps.clock();
  const ending = issues.map((issue) => endingNow(issue, now));
  claim.note({ issues: ending });
  await endDue(deps, claim, undefined, signal);
}

/** What no Secret holds: requests without an answer, and replaced credentials, each at its time. */
export async function endUnused(deps: ReconcileDeps, claim: Claim, signal: AbortSignal): Promise<void> {
  const { issues = [] } = claim.row.state;
  claim.note({ issues: issues.map((issue) => (issue.state === "asking" ? endingUnanswered(issue) : issue)) });
  await endDue(deps, claim, undefined, signal);
}

function endingNow(issue: Issue, now: EpochMs): Issue {
  const { inUseUntil: _inUse, ...rest } = issue;
  if (issue.state === "asking") return endingUnanswered(rest);
  if (issue.state !== "ending") return endingAt(rest, now, now);
  // A failed attempt has its own pause, and a request that may be under way its own end.
  const isAnswered = issue.vaultLease !== undefined || issue.certificate !== undefined;
  return isAnswered && issue.tries === undefined ? { ...rest, endAt: now } : rest;
}

/** The declaration still exists: what the row has in Vault is in use, and ends by itself when its lease does. */
export function leaveAll(claim: Claim, now: EpochMs): void {
  const { issues = [] } = claim.row.state;
  if (issues.length === 0) return;
  const left = issues.map((issue) => {
    if (issue.state === "ending") return issue;
    return issue.state === "asking" ? endingUnanswered(issue) : endingByItself(issue, now);
  });
  claim.note({ issues: left });
}
