import { endIssues } from "../../issues/end-issues.ts";
import { endingAt, endingUnanswered, withIssues } from "../../issues/issue-times.ts";
import type { Issue } from "../../ports/issues.ts";
import type { ObtainInput } from "../kind.ts";
import { issuedState } from "./issued-state.ts";
import type { ResolvedIssued } from "./issuing-kind.ts";
import { succeeded } from "./present.ts";

/**
 * What a crash, or a failed write, left. A request that may still run is ended after its time; the reason for it is
 * still there. An answer is in use when the Secret has its data; otherwise it is ended, and asked for anew: returns
 * why.
 */
export async function settleLeftOver(run: ObtainInput<ResolvedIssued>): Promise<string | undefined> {
  const { claim } = run;
  let because: string | undefined;
  for (const issue of (claim.row.state.issues ?? []).filter(isOpen)) {
    const { state } = claim.row;
    const { issues = [] } = state;
    if (issue.state === "asking") {
      claim.note({ issues: withIssues(issues, new Map([[issue.serial, endingUnanswered(issue)]])) });
    } else if (!(await adopted(run, issue))) {
      const now = run.deps.clock();
      const left = await endIssues(run.deps, claim.row.key, issues, [endingAt(issue, now, now)], run.signal);
      claim.note({ issues: left });
      because = "an earlier answer was not written";
    }
  }
  return because;
}

function isOpen({ state }: Issue): boolean {
  return state === "asking" || state === "got";
}

/** The write of this answer succeeded, and only its settle is missing. */
async function adopted(
  { claim, holding, deps, resolved, signal }: ObtainInput<ResolvedIssued>,
  issue: Issue,
): Promise<boolean> {
  const { declared, state } = claim.row;
  const { digest } = issue;
  if (digest === undefined) return false;
  const { keys } = issuedState(state);
  const isHeld = (await holding.holds(keys, digest, signal)) !== undefined;
  // What another destination holds is in use until its successor is written.
  if (!isHeld && !(await holding.holdsElsewhere(keys, digest, signal))) return false;
  const live: Issue = { ...issue, state: "live" };
  claim.note({ digest, issues: succeeded(state.issues ?? [], live, declared.annotations, resolved, deps.clock()) });
  return true;
}
