import { maxRequestMsOf } from "../../declarations/lent-identity.ts";
import { digestOf } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { type Answered, askAnew } from "../../issues/ask-anew.ts";
import { endIssues } from "../../issues/end-issues.ts";
import { endingAt, renewWithinOf, replaceAtOf, SHORTEST_TTL_S, withIssues } from "../../issues/issue-times.ts";
import type { Issue } from "../../ports/issues.ts";
import type { Obtained, ObtainInput } from "../kind.ts";
import type { CountedAsk } from "./counted-ask.ts";
import { type IssuedState, ownIssued } from "./issued-state.ts";
import type { IssuingKind, Made, ResolvedIssued } from "./issuing-kind.ts";
import { leftLeaseless, rehearsal } from "./leaseless.ts";
import { fresh, presentState, replaceAt, succeeded } from "./present.ts";
import { madeOf } from "./unrecorded.ts";
import { afterAnswer } from "./untransformed.ts";

/** Asks for a credential with a login of its own. */
export async function askOwn<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  counted: CountedAsk,
): Promise<Obtained> {
  const { claim, resolved, deps, settings, signal } = run;
  await run.holding.admit(rehearsal(run, counted.answered), signal);
  const identity = await run.reached(resolved.asks.identity);
  const maxRequestMs = maxRequestMsOf(settings, identity.target.address);
  const about = { claim, identity, request: resolved.request, maxRequestMs, signal };
  const [own, ownIfNone] = [ownIssued(counted.asking), ownIssued(counted.refused)];
  const answered = await askAnew(deps, { ...about, own, ownIfNone });
  claim.note({ own: ownIssued(counted.answered) });
  return used(kind, run, counted, answered);
}

/** Records the answer before it is written; ends it at once when it is of no use. */
async function used<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  counted: CountedAsk,
  answered: Answered,
): Promise<Obtained> {
  const was = counted.answered;
  const { claim, deps, resolved, digestKey, signal } = run;
  const { key } = claim.row;
  const issuesWith = (issue: Issue) => withIssues(claim.row.state.issues ?? [], new Map([[issue.serial, issue]]));
  try {
    const { issue, made, own } = await understood(kind, run, was, answered);
    const got: Issue = { ...issue, digest: digestOf(digestKey, made.data) };
    if (got.vaultLease === undefined) {
      // Only the token is left in Vault, which nothing needs any more.
      const now = deps.clock();
      const issues = await endIssues(deps, key, issuesWith(got), [endingAt(got, now, now)], signal);
      return await leftLeaseless(kind, run, own, made, issues);
    }
    await claim.record({ issues: issuesWith(got), own: ownIssued(own) });
    const now = deps.clock();
    const live: Issue = { ...got, state: "live" };
    const issues = succeeded(issuesWith(got), live, claim.row.declared.annotations, resolved, now);
    return fresh(kind, run, own, made, issues);
  } catch (error) {
    if (error instanceof SyncError) {
      const now = deps.clock();
      const ending = endingAt(answered.issue, now, now);
      // What was known before stays: the answer is in use nowhere.
      const known = isOutOfTime(error) ? counted.asking : was;
      const own = ownIssued(afterAnswer(run, known, answered.data, error));
      claim.note({ issues: await endIssues(deps, key, issuesWith(ending), [ending], signal), own });
    }
    throw error;
  }
}

/** Others were at work, as on slow templates: no loop that a person must end, but no more often than without an answer. */
function isOutOfTime({ code }: SyncError): boolean {
  return code === "DEADLINE_EXCEEDED";
}

interface Understood {
  readonly issue: Issue;
  readonly made: Made;
  readonly own: IssuedState;
}

async function understood<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  was: IssuedState,
  { issue, data, loggedInAt }: Answered,
): Promise<Understood> {
  const { resolved } = run;
  mustLast(issue);
  const askedAt = issue.vaultLease?.issuedAt ?? loggedInAt;
  const made = await madeOf(kind, run, data, { askedAt, was });
  const renewWithin = renewWithinOf(issue, resolved.renewalPercent);
  const byLease = issue.vaultLease && replaceAtOf(issue, loggedInAt, resolved.renewalPercent);
  return {
    issue: { ...issue, ...(renewWithin === undefined ? {} : { renewWithin }) },
    made,
    own: { ...presentState(run, was, made, askedAt), ...replaceAt(made.replaceAt, byLease), ...leaseless(issue) },
  };
}

function leaseless({ vaultLease }: Issue): Pick<IssuedState, "isLeaseless"> {
  return vaultLease === undefined ? { isLeaseless: true } : {};
}

/** Throws VAULT_LEASE_UNUSABLE for a lease that leaves no room for two renewals. */
function mustLast({ vaultLease }: Issue): void {
  if (vaultLease === undefined || vaultLease.seconds >= SHORTEST_TTL_S) return;
  const message =
    `Vault's lease lasts ${vaultLease.seconds} s, too short to be renewed in time: set the role's default_ttl and max_ttl to ` +
    `at least ${SHORTEST_TTL_S} s`;
  throw new SyncError("VAULT_LEASE_UNUSABLE", message);
}
