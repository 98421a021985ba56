import { endIssues } from "../../issues/end-issues.ts";
import { endingAt, endingUnanswered, withIssues } from "../../issues/issue-times.ts";
import type { Issue } from "../../ports/issues.ts";
import type { Row, RowState } from "../../ports/rows.ts";
import type { ForeseeInput, ObtainInput } from "../kind.ts";
import { issuedState, ofNone, ownIssued } from "./issued-state.ts";
import type { ResolvedIssued } from "./issuing-kind.ts";
import { succeeded } from "./present.ts";

/**
 * What a crash, or a failed write, left. A request that may still run is ended after its time; the reason for it is
 * still there. An answer is in use when the Secret has its data; otherwise it is ended, and asked for anew: returns
 * why.
 */
export async function settleLeftOver(run: ObtainInput<ResolvedIssued>): Promise<string | undefined> {
  const { claim, deps } = run;
  let because: string | undefined;
  for (const issue of (claim.row.state.issues ?? []).filter(isOpen)) {
    const { state } = claim.row;
    const { issues = [] } = state;
    if (issue.state === "asking") {
      claim.note({ issues: withIssues(issues, new Map([[issue.serial, endingUnanswered(issue)]])) });
      continue;
    }
    const adopted = await ifInUse(run, claim.row, issue);
    const now = deps.clock();
    const next = adopted ?? {
      issues: await endIssues(deps, claim.row.key, issues, [endingAt(issue, now, now)], run.signal),
      ...withoutAnswer(state),
    };
    claim.note(next);
    if (adopted === undefined) because = NOT_WRITTEN;
  }
  return because;
}

/** Why Vault is asked anew: for people. */
export const NOT_WRITTEN = "an earlier answer was not written";

/** The row as a run would find it after that, for a plan: it ends nothing. */
export async function foreseeLeftOver(run: ForeseeInput<ResolvedIssued>, row: Row): Promise<Row> {
  let { state } = row;
  for (const issue of (state.issues ?? []).filter((one) => one.state === "got")) {
    const adopted = await ifInUse(run, { ...row, state }, issue);
    state = { ...state, ...(adopted ?? withoutAnswer(state)) };
  }
  return { ...row, state };
}

function isOpen({ state }: Issue): boolean {
  return state === "asking" || state === "got";
}

/**
 * `own` came with the answer. It must go with it, in the same step: else the next run, whatever this one meets, would
 * take the credential in use for what was not written.
 */
function withoutAnswer(state: RowState): Pick<RowState, "own"> {
  return { own: ownIssued(ofNone(issuedState(state))) };
}

/** The write of this answer succeeded, and only its settle is missing: what the row knows then. */
async function ifInUse(
  { holding, clock, resolved, signal }: ForeseeInput<ResolvedIssued>,
  { declared, state }: Row,
  issue: Issue,
): Promise<Pick<RowState, "digest" | "issues"> | undefined> {
  const { digest } = issue;
  if (digest === undefined) return undefined;
  const { keys } = issuedState(state);
  const isHeld = (await holding.holds(keys, digest, signal)) !== undefined;
  // What another destination holds is in use until its successor is written.
  if (!isHeld && !(await holding.holdsElsewhere(keys, digest, signal))) return undefined;
  const live: Issue = { ...issue, state: "live" };
  return { digest, issues: succeeded(state.issues ?? [], live, declared.annotations, resolved, clock()) };
}
