import { liveIssue, withIssues } from "../../issues/issue-times.ts";
import { type IssuedCertificate, issueByLogin } from "../../issues/shared-issue.ts";
import type { Issue } from "../../ports/issues.ts";
import type { ObtainInput } from "../kind.ts";
import { issuedState } from "./issued-state.ts";
import type { IssuingKind, ResolvedIssued } from "./issuing-kind.ts";

/**
 * Whether the certificate in use is revoked when it is replaced, or when its declaration goes, is decided by the present
 * declaration: an edit changes the row, and asks Vault for nothing. What has a lease is ended by that.
 */
export async function settleRevocable<R extends ResolvedIssued>(
  kind: Pick<IssuingKind<R>, "revocable">,
  run: ObtainInput<R>,
): Promise<void> {
  const { claim, resolved } = run;
  const { issues = [], digest } = claim.row.state;
  const live = liveIssue(claim.row.state);
  if (live !== undefined) {
    const next = live.certificate && asDeclared(live, resolved.revokesReplaced);
    if (next !== undefined) claim.note({ issues: withIssues(issues, new Map([[live.serial, next]])) });
    return;
  }
  const was = issuedState(claim.row.state);
  if (!resolved.revokesReplaced || !was.isLeaseless) return;
  const certificate = kind.revocable?.(run, was);
  if (certificate === undefined || isKnown(issues, certificate)) return;
  const issue = await certificateIssue(run, certificate);
  claim.note({ issues: [...issues, digest === undefined ? issue : { ...issue, digest }] });
}

/** What former versions took for the one in use, though it was never written, is to be revoked already. */
function isKnown(issues: readonly Issue[], { serial }: IssuedCertificate): boolean {
  return issues.some(({ certificate }) => certificate?.serial === serial);
}

/** Undefined: it stays as it is. The way to its Vault is kept, so that it can be revoked after the next edit. */
function asDeclared(issue: Issue, revokes: boolean): Issue | undefined {
  const { endBy, ...rest } = issue;
  if (revokes === (endBy !== "none")) return undefined;
  return revokes ? rest : { ...rest, endBy: "none" };
}

/** A certificate in use, with the login that revokes it. */
export async function certificateIssue(
  { claim, deps, resolved, reached }: ObtainInput<ResolvedIssued>,
  { serial, mount, seconds }: IssuedCertificate,
): Promise<Issue> {
  const identity = await reached(resolved.asks.identity);
  const about = { claim, identity, request: resolved.request };
  return {
    ...(await issueByLogin(deps, about, serial, deps.clock())),
    ...{ state: "live", tokenSeconds: seconds, certificate: { serial, mount } },
  };
}
