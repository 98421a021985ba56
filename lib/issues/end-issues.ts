import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { declarationKey, type SyncKey } from "../keys.ts";
import type { Issue } from "../ports/issues.ts";
import { type IssueTarget, isApart, type VaultRequest } from "../ports/vault-issues.ts";
import type { SecretValue } from "../secret-value.ts";
import type { IssueDeps } from "./deps.ts";
import { endedLater, isLongOver, isNotRevoked, isOver, withIssues } from "./issue-times.ts";
import { unlessBarred } from "./of-gateway.ts";
import { isUnstored } from "./unstored.ts";

type Deps = Pick<IssueDeps, "issues" | "seals" | "leases" | "clock" | "log" | "metrics">;

/** A token and the way to its Vault. */
export interface OpenedIssue {
  readonly way: IssueTarget;
  /** Missing: it was issued with a token that is not stored here; the login in its target ends it. */
  readonly token?: SecretValue;
}

/** Undefined when its token was sealed with another key, or its target is gone: that is told, never dropped. */
export async function openIssue(
  { seals, leases, log, metrics }: Pick<Deps, "seals" | "leases" | "log" | "metrics">,
  key: SyncKey,
  issue: Issue,
): Promise<OpenedIssue | undefined> {
  const { serial, sealedToken, target, shared = false } = issue;
  const way = (await leases.target(target)) as unknown as IssueTarget | undefined;
  if (way !== undefined && shared && sealedToken === "") return { way };
  const token = await seals.open(sealedToken, declarationKey(key), serial);
  if (token !== undefined && way !== undefined) return { way, token };
  const because = way === undefined ? "its target is not stored" : "its token was encrypted with another key";
  log.error("issue-unreadable", { key, serial, because });
  metrics.count("keyferry_issues_unreadable_total", {});
  return undefined;
}

/** Ends these issues in Vault, as far as it answers: returns all of the row's issues with what became of them. */
export async function endIssues(
  deps: Deps,
  key: SyncKey,
  issues: readonly Issue[],
  due: readonly Issue[],
  signal: AbortSignal,
): Promise<readonly Issue[]> {
  const changed = new Map<string, Issue | undefined>();
  for (const issue of due) {
    if (signal.aborted) break;
    changed.set(issue.serial, await endIssue(deps, key, issue, signal));
  }
  return withIssues(issues, changed);
}

/** Undefined: it has ended, now or by itself. */
async function endIssue(deps: Deps, key: SyncKey, issue: Issue, signal: AbortSignal): Promise<Issue | undefined> {
  const now = deps.clock();
  if (isLongOver(issue, now)) return over(deps, key, issue, "expired");
  if (isNotRevoked(issue)) return left(deps, key, issue);
  const isByItself = isOver(issue, now);
  const opened = issue.endBy === "none" ? undefined : await openIssue(deps, key, issue);
  if (opened === undefined)
    return isByItself ? over(deps, key, issue, "expired") : endedLater({ ...issue, tries: issue.tries ?? 10 }, now);
  try {
    // Our clock may be wrong about its end: Vault's answer is not.
    if (await revoke(deps, key, issue, opened, signal)) return over(deps, key, issue, "revoked");
    return isByItself ? over(deps, key, issue, "expired") : leftToItsEnd(deps, key, issue);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    if (isByItself) return over(deps, key, issue, "expired");
    return notEnded(deps, key, issue, opened, error, signal);
  }
}

/** Vault refused, or did not answer: tried again, unless it can never be ended. */
async function notEnded(
  deps: Deps,
  key: SyncKey,
  issue: Issue,
  { way }: OpenedIssue,
  error: SyncError,
  signal: AbortSignal,
): Promise<Issue> {
  if (await isUnstored(deps, key, issue, way, error, signal)) return unrevocable(deps, key, issue);
  deps.log.warn("issue-not-ended", { key, serial: issue.serial, code: error.code, message: error.message });
  deps.metrics.count("keyferry_issues_ended_total", { result: error.code });
  return endedLater(issue, deps.clock());
}

/** False when this token may end nothing. */
async function revoke(
  deps: Pick<Deps, "issues">,
  key: SyncKey,
  issue: Issue,
  { way, token }: OpenedIssue,
  signal: AbortSignal,
): Promise<boolean> {
  const { endBy, vaultLease, shared = false } = issue;
  if (token === undefined) return revokeByLogin(deps, key, issue, way, signal);
  if (!shared && isApart(way)) return revokeApart(deps, issue, way, token, signal);
  // Revoking a shared token would end what the others have.
  const isOwn = endBy !== "lease" && !shared;
  const first = isOwn ? await unlessBarred(deps.issues.revokeToken(way, token, signal)) : "denied";
  if (first === "ended") return true;
  if (vaultLease !== undefined) {
    if ((await deps.issues.revokeLease(way, token, vaultLease.id, signal)) === "ended") return true;
  }
  if (first !== "denied") throw first;
  return false;
}

/** A lease that does not end with its token comes first. */
async function revokeApart(
  { issues }: Pick<Deps, "issues">,
  { vaultLease }: Issue,
  way: IssueTarget,
  token: SecretValue,
  signal: AbortSignal,
): Promise<boolean> {
  const lease = vaultLease && (await issues.revokeLease(way, token, vaultLease.id, signal));
  const ended = await unlessBarred(issues.revokeToken(way, token, signal));
  if (lease === "ended") return true;
  if (ended instanceof SyncError) throw ended;
  return lease === undefined && ended === "ended";
}

/** By the shared token of the login that its target names. */
async function revokeByLogin(
  { issues }: Pick<Deps, "issues">,
  key: SyncKey,
  { vaultLease, certificate }: Issue,
  { identity, namespace }: IssueTarget,
  signal: AbortSignal,
): Promise<boolean> {
  if (identity === undefined) return true;
  const place = namespace === undefined ? {} : { namespace };
  if (vaultLease !== undefined) {
    const lease = { identity, ...place, id: vaultLease.id, seconds: vaultLease.seconds, by: key };
    return (await issues.revokeForeign(lease, signal)) === "ended";
  }
  if (certificate === undefined) return true;
  // Revoking it twice is harmless.
  await issues.ask(identity, revocationOf(certificate, namespace), key, true, signal);
  return true;
}

/** `namespace`: Vault's, if it is not that of the login. */
export function revocationOf(
  { serial, mount }: NonNullable<Issue["certificate"]>,
  namespace: string | undefined,
): VaultRequest {
  const place = namespace === undefined ? {} : { namespace };
  return { ...place, method: "POST", mount, path: "revoke", body: { serial_number: serial } };
}

function over({ log, metrics }: Deps, key: SyncKey, { serial }: Issue, result: "revoked" | "expired"): undefined {
  log.info("issue-ended", { key, serial, result });
  metrics.count("keyferry_issues_ended_total", { result });
  return undefined;
}

/** Its declaration says that it is not to be revoked, and it holds nothing in Vault that would have to be ended. */
function left({ log }: Deps, key: SyncKey, { serial }: Issue): undefined {
  log.info("issue-left", { key, serial });
  return undefined;
}

/** The row forgets it with its next look: nothing of it can be ended. */
function unrevocable({ log, clock, metrics }: Deps, key: SyncKey, issue: Issue): Issue {
  const because =
    "Vault does not have it (no_store of its role), so that it can't be revoked and is valid until its end";
  log.warn("certificate-not-stored", { key, serial: issue.serial, endsAt: isoTime(issue.goneBy), because });
  metrics.count("keyferry_issues_ended_total", { result: "denied" });
  return { ...issue, endBy: "none", endAt: clock() + SECOND_MS };
}

/** Its policies allow no revocation: it is not renewed any more, and ends by itself. */
function leftToItsEnd({ log, clock, metrics }: Deps, key: SyncKey, issue: Issue): Issue {
  const { goneBy } = issue;
  log.warn("issue-left-to-its-end", { key, serial: issue.serial, endsAt: isoTime(goneBy) });
  metrics.count("keyferry_issues_ended_total", { result: "denied" });
  return {
    ...endedLater({ ...issue, tries: issue.tries ?? 10 }, clock()),
    endBy: "none",
    ...(goneBy && { endAt: goneBy }),
  };
}

function isoTime(at: EpochMs | undefined): string {
  return at === undefined ? "never" : new Date(at).toISOString();
}
