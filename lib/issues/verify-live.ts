import type { Claim } from "../ports/claim.ts";
import type { Issue, LostBecause } from "../ports/issues.ts";
import type { RenewAnswer } from "../ports/vault-issues.ts";
import type { IssueDeps } from "./deps.ts";
import { type OpenedIssue, openIssue } from "./end-issues.ts";
import { liveIssue, withIssues } from "./issue-times.ts";

type Deps = Pick<IssueDeps, "issues" | "seals" | "leases" | "log" | "metrics">;

/**
 * Asks Vault whether it still has the lease in use, because an event or a person says that it may be gone. What is gone
 * is noted, so that another one is asked for. Without an answer the doubt stays in the row, whatever the run's end.
 */
export async function verifyLive(deps: Deps, claim: Claim, signal: AbortSignal): Promise<void> {
  const { key, verify, state } = claim.row;
  const live = liveIssue(state);
  if (live?.vaultLease === undefined || live.lost !== undefined) return;
  if (!verify && live.inDoubt !== true) return;
  const changed = (issue: Issue) =>
    claim.note({ issues: withIssues(state.issues ?? [], new Map([[live.serial, issue]])) });
  changed({ ...live, inDoubt: true });
  const opened = await openIssue(deps, key, live);
  // Nobody can ask about it, nor renew it.
  const lost = opened === undefined ? "gone" : await lostOf(deps, claim, live, opened, signal);
  const { inDoubt: _settled, ...known } = live;
  if (lost !== undefined) deps.log.info("issue-lost", { key, serial: live.serial, because: lost });
  changed(lost === undefined ? known : { ...known, lost });
}

/** Undefined: it is still there. */
async function lostOf(
  { issues }: Deps,
  { row: { key } }: Claim,
  { vaultLease }: Issue,
  { way, token }: OpenedIssue,
  signal: AbortSignal,
): Promise<LostBecause | undefined> {
  if (vaultLease === undefined) return undefined;
  const { identity, namespace } = way;
  if (token === undefined) {
    if (identity === undefined || !vaultLease.renewable) return undefined;
    const lease = {
      identity,
      ...(namespace && { namespace }),
      id: vaultLease.id,
      seconds: vaultLease.seconds,
      by: key,
    };
    return reasonOf((await issues.renewForeign(lease, signal)).kind);
  }
  const looked = await issues.lookUpLease(way, token, vaultLease.id, signal);
  if (looked.kind !== "denied") return reasonOf(looked.kind);
  // It may not look leases up, or has ended itself: a renewal tells, and is harmless.
  if (vaultLease.renewable) return reasonOf((await issues.renewLease(way, token, vaultLease, signal)).kind);
  return (await issues.lookUpToken(way, token, signal)).kind === "found" ? undefined : "denied";
}

function reasonOf(kind: RenewAnswer["kind"]): LostBecause | undefined {
  return kind === "renewed" || kind === "unrenewed" ? undefined : kind;
}
