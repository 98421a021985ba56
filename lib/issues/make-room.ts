import { SyncError } from "../errors.ts";
import type { Claim } from "../ports/claim.ts";
import type { Issue } from "../ports/issues.ts";
import type { IssueDeps } from "./deps.ts";
import { endIssues } from "./end-issues.ts";
import { isNotRevoked } from "./issue-times.ts";

/**
 * Most certificates of a row that were replaced and wait for their end. A row has to stay small, and a declaration that
 * is edited often replaces many.
 */
export const MAX_REPLACED = 32;

/** Rows of earlier versions may have more: they shrink by some with each issue. */
const MOST_AT_ONCE = 4;

/** Certificates that are revoked early, before another one is asked for: the oldest, and first those not tried yet. */
export function toRevokeEarly(issues: readonly Issue[]): readonly Issue[] {
  const waiting = waitingOf(issues);
  const surplus = Math.min(waiting.length - MAX_REPLACED + 1, MOST_AT_ONCE);
  if (surplus <= 0) return [];
  return waiting
    .toSorted((a, b) => (a.tries ?? 0) - (b.tries ?? 0) || (a.replacedAt ?? 0) - (b.replacedAt ?? 0))
    .slice(0, surplus);
}

function waitingOf(issues: readonly Issue[]): readonly Issue[] {
  return issues.filter((issue) => issue.state === "ending" && issue.certificate !== undefined && !isNotRevoked(issue));
}

/**
 * Before a certificate is asked for: makes room for the one that it replaces. None is forgotten: where Vault revokes
 * none, throws ISSUES_UNENDED.
 */
export async function makeRoom(
  deps: Pick<IssueDeps, "issues" | "seals" | "leases" | "clock" | "log" | "metrics">,
  claim: Claim,
  signal: AbortSignal,
): Promise<void> {
  const { issues = [] } = claim.row.state;
  const due = toRevokeEarly(issues);
  if (due.length === 0) return;
  await claim.takeToWrite();
  const now = deps.clock();
  const early = due.map(({ inUseUntil: _inUse, ...issue }) => ({ ...issue, endAt: now }));
  deps.log.info("certificates-revoked-early", { key: claim.row.key, count: early.length });
  const left = await endIssues(deps, claim.row.key, issues, early, signal);
  claim.note({ issues: left });
  const waiting = waitingOf(left).length;
  if (waiting < waitingOf(issues).length) return;
  const places = [...new Set(due.map(({ certificate }) => `${certificate?.mount}/revoke`))];
  const message =
    `${waiting} replaced certificates of this sync could not be revoked, and are still valid in Vault: keyferry asks for ` +
    `another one when one of them was revoked, or has ended. Allow its login update on ${places.join(", ")}`;
  throw new SyncError("ISSUES_UNENDED", message);
}
