import type { EpochMs } from "../lib/clock.ts";
import { ASK_WITHIN_MS, isNotRevoked } from "../lib/issues/issue-times.ts";
import type { Issue, LostBecause } from "../lib/ports/issues.ts";
import type { Row } from "../lib/ports/rows.ts";
import { humanAge } from "./status-view.ts";

/** What a sync has in Vault, as the lease table knows it: one issued credential or certificate. Never its data. */
export interface IssueView {
  readonly state: Issue["state"];
  /** Vault's id of the lease, or the certificate's serial number. */
  readonly lease?: string;
  /** When it was asked for. */
  readonly issuedAt: string;
  /** Seconds between two renewals. Missing: nothing of it is renewed. */
  readonly renewedEvery?: number;
  /** When its successor was written. */
  readonly replacedAt?: string;
  /** `ending`: when it is ended, or looked at again. */
  readonly endsAt?: string;
  readonly because: string;
}

/** The newest last, as in the table. */
export function issueViews({ state: { issues = [] }, renew }: Row): readonly IssueView[] {
  return issues.map((issue) => {
    const { state, vaultLease, certificate, replacedAt, renewWithin, askBefore, endAt } = issue;
    const lease = vaultLease?.id ?? certificate?.serial;
    const isRenewed = renew !== undefined && renewWithin !== undefined && state !== "asking";
    return {
      state,
      ...(lease === undefined ? {} : { lease }),
      issuedAt: iso(vaultLease?.issuedAt ?? askBefore - ASK_WITHIN_MS),
      ...(isRenewed ? { renewedEvery: renew.period } : {}),
      ...(replacedAt === undefined ? {} : { replacedAt: iso(replacedAt) }),
      ...(state === "ending" && endAt !== undefined ? { endsAt: iso(endAt) } : {}),
      because: because(issue),
    };
  });
}

const LOST: Readonly<Record<LostBecause, string>> = {
  truncated: "Vault renews it no longer, because its maximum is near",
  gone: "Vault has ended it",
  denied: "Vault does not let its token renew it",
};

function because(issue: Issue): string {
  const { state, lost, atRisk } = issue;
  if (state === "asking") return "the request was sent, and its answer is not recorded yet";
  if (state === "got") return "issued; the Secret is not written yet";
  if (state === "ending") return whyEnding(issue);
  if (lost !== undefined) return `in use; ${LOST[lost]}: keyferry asks for another one`;
  if (atRisk !== undefined)
    return `in use; Vault does not answer its renewals: valid until ${iso(atRisk)} or a little later`;
  return isNotRevoked(issue) ? "in use; its declaration says that it is not revoked" : "in use";
}

function whyEnding({ endBy, tries = 0, replacedAt, inUseUntil, vaultLease, certificate }: Issue): string {
  const isAnswered = vaultLease !== undefined || certificate !== undefined;
  const left = isAnswered ? "not needed any more" : "no answer is recorded, and Vault may have issued it";
  const why = replacedAt === undefined ? left : "replaced";
  if (inUseUntil !== undefined)
    return `${why}; ended when the workloads run with its successor, left to its end after ${iso(inUseUntil)}`;
  if (endBy === "none") return `${why}; its token may not revoke it, so it ends by itself`;
  return tries > 0 ? `${why}; it could not be ended yet, and keyferry tries again` : why;
}

/** For people: one line for each. */
export function issueLines(issues: readonly IssueView[], now: EpochMs): readonly string[] {
  return issues.map(({ state, lease, issuedAt, renewedEvery, replacedAt, endsAt, because: why }) => {
    const parts = [
      `issued ${ago(issuedAt, now)}`,
      ...(renewedEvery === undefined ? [] : [`renewed every ${renewedEvery}s`]),
      ...(replacedAt === undefined ? [] : [`replaced ${ago(replacedAt, now)}`]),
      ...(endsAt === undefined ? [] : [`ended in ${humanAge(Date.parse(endsAt) - now)}`]),
    ];
    return `${state} ${lease ?? "(no lease known)"}: ${parts.join(", ")}; ${why}`;
  });
}

function ago(at: string, now: EpochMs): string {
  return `${humanAge(now - Date.parse(at))} ago`;
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
