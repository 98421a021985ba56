import { circuitOfVault } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { Issue, LostBecause } from "../ports/issues.ts";
import type { RefreshSlot } from "../ports/rows.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { IssueTarget, RenewAnswer } from "../ports/vault-issues.ts";
import { nextSlot } from "../schedule/wheel.ts";
import type { IssueDeps } from "./deps.ts";
import { type OpenedIssue, openIssue } from "./end-issues.ts";
import { isKept, renewable, renewsToken } from "./issue-times.ts";
import { isOfGateway } from "./of-gateway.ts";

type Deps = Pick<IssueDeps, "issues" | "seals" | "leases" | "clock" | "log" | "metrics">;

export interface Renewing {
  readonly key: SyncKey;
  readonly issues: readonly Issue[];
  readonly slot: RefreshSlot;
  /** The time of the slot, or of one of its later tries. */
  readonly at: EpochMs;
  /** Whether requests to this Vault would only time out. */
  readonly isAway: (circuit: string) => Promise<boolean>;
  /** Sends requests to this Vault, and reports the wait, so that one that is silent delays no renewals of others. */
  readonly atVault: <T>(target: VaultTarget, ask: () => Promise<T>) => Promise<T>;
  readonly signal: AbortSignal;
}

export interface Renewed {
  /** Issues whose renewal Vault refused for the first time, and those that ended without an answer, by serial. */
  readonly lost: ReadonlyMap<string, LostBecause>;
  /** Issues that Vault renewed. */
  readonly renewed: ReadonlySet<string>;
  /** Issues about which Vault did not answer, or that it does not renew now: their renewal is to be tried again soon. */
  readonly unanswered: ReadonlySet<string>;
  /** TLS was refused on a stored way: the row's own run may know another CA. */
  readonly isDistrusted: boolean;
  /** Vault answered about each: what it does not renew now need not be tried again in seconds. */
  readonly isAnswered: boolean;
}

/**
 * Renews what a row has in Vault: at most two requests for each issue, and two more where Vault answers 400; no write
 * (lease-table 29).
 */
export async function renewIssues(deps: Deps, renewing: Renewing): Promise<Renewed> {
  const { key, issues } = renewing;
  const lost = new Map<string, LostBecause>();
  const renewed = new Set<string>();
  const unanswered = new Set<string>();
  let isDistrusted = false;
  let isAnswered = true;
  for (const issue of issues.filter((one) => isKept(one, deps.clock()))) {
    const said = await renewOne(deps, renewing, issue);
    isDistrusted ||= said === "distrusted";
    isAnswered &&= said !== "distrusted" && said !== "unanswered";
    const verdict = said === "distrusted" || said === "unrenewed" ? "unanswered" : said;
    count(deps, key, verdict);
    if (verdict === "unanswered") unanswered.add(issue.serial);
    else if (verdict === "renewed") renewed.add(issue.serial);
    // What is known to be lost has had its run: what comes next is decided by that one's failure.
    else if (issue.state === "live" && issue.lost === undefined) lost.set(issue.serial, verdict);
  }
  return { lost, renewed, unanswered, isDistrusted, isAnswered };
}

type Verdict = "renewed" | "unanswered" | LostBecause;

function count({ metrics }: Deps, key: SyncKey, result: Verdict): void {
  metrics.count("keyferry_issue_renewals_total", { cluster: partsOf(key).cluster, result });
}

async function renewOne(deps: Deps, renewing: Renewing, issue: Issue): Promise<Verdict | "distrusted" | "unrenewed"> {
  const opened = await openIssue(deps, renewing.key, issue);
  // Nobody can renew it any more: it is replaced while it is still good, if a whole slot could not read it.
  if (opened === undefined) return issue.atRisk === undefined ? "unanswered" : "gone";
  const { way, token } = opened;
  if (await renewing.isAway(circuitOfVault(way.target.address))) return "unanswered";
  const renewed = () =>
    token === undefined ? askByLogin(deps, renewing, issue, way) : ask(deps, renewing, issue, { way, token });
  try {
    const verdict = await renewing.atVault(way.target, renewed);
    if (verdict !== "unrenewed") return verdict;
    const because = "Vault still has it, and does not renew it now";
    deps.log.warn("issue-not-renewed", { key: renewing.key, serial: issue.serial, because });
    // If that lasts for a whole slot, as after a lower max_ttl, it is replaced while it is still good.
    return issue.atRisk === undefined ? "unrenewed" : "gone";
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    const { code, message } = error;
    deps.log.warn("issue-not-renewed", { key: renewing.key, serial: issue.serial, code, message });
    if (isUntold(renewing, issue, token !== undefined && isOfGateway(error), deps.clock())) return "gone";
    return code === "VAULT_TLS_REFUSED" ? "distrusted" : "unanswered";
  }
}

/**
 * Vault's own word of its end may never come: not over a way that leads there no more, nor through what refuses it. A
 * gateway that lets no renewal through for a whole slot may let a request for another one through. What it bars first in
 * a slot may be an exception, if the slot before was not answered for another reason: one more try is waited for.
 */
function isUntold({ slot, at }: Renewing, issue: Issue, isBarred: boolean, now: EpochMs): boolean {
  const { atRisk } = issue;
  if (atRisk === undefined) return false;
  const isFirst = nextSlot(slot, at - SECOND_MS) === at;
  const isTime = now + 2 * renewAgainIn(issue) < atRisk;
  return now >= atRisk || (isBarred && !(isFirst && isTime));
}

async function ask(
  { issues }: Deps,
  { slot, at, signal }: Renewing,
  issue: Issue,
  { way, token }: Required<OpenedIssue>,
): Promise<Verdict | "unrenewed"> {
  const { state, vaultLease, tokenSeconds } = issue;
  const parts = renewable(issue);
  // The token first: a lease is never renewed beyond its token.
  if (parts.token && (renewsToken(issue, slot, at) || !parts.lease)) {
    const answer = await issues.renewToken(way, token, tokenSeconds, signal);
    const verdict = verdictOf(answer, tokenSeconds);
    if (verdict !== "renewed") return verdict;
  }
  // A replaced lease ends by itself.
  if (!vaultLease?.renewable || state === "ending") return "renewed";
  return verdictOf(await issues.renewLease(way, token, vaultLease, signal), vaultLease.seconds);
}

/** Its token is not ours: only the lease is renewed, by the shared token of its login. */
async function askByLogin(
  { issues }: Deps,
  { key, signal }: Renewing,
  { vaultLease, state }: Issue,
  { identity, namespace }: IssueTarget,
): Promise<Verdict | "unrenewed"> {
  if (identity === undefined || vaultLease === undefined || state === "ending") return "renewed";
  const { id, seconds } = vaultLease;
  const lease = { identity, ...(namespace && { namespace }), id, seconds, by: key };
  return verdictOf(await issues.renewForeign(lease, signal), seconds);
}

/** Vault may answer a second less than asked. */
const ROUNDING_S = 1;

function verdictOf(answer: RenewAnswer, asked: number): Verdict | "unrenewed" {
  if (answer.kind !== "renewed") return answer.kind;
  return answer.seconds >= asked - ROUNDING_S ? "renewed" : "truncated";
}

/**
 * The pause before a renewal is tried again, in ms: several times before the TTL's end. `isAnswered`: Vault said that it
 * does not renew it now.
 */
export function renewAgainIn(
  { renewWithin = Number.POSITIVE_INFINITY }: Pick<Issue, "renewWithin">,
  isAnswered = false,
): number {
  const longest = isAnswered ? MINUTE_MS : 15 * SECOND_MS;
  return Math.max(2 * SECOND_MS, Math.min(longest, Math.floor((renewWithin * SECOND_MS) / 4)));
}

/**
 * When an issue ends at the earliest, if a whole slot and its tries were not answered: the slot before it was the last
 * that may have renewed it. `slotAt`: the slot's own time, not that of a try.
 */
export function endsAtEarliest({ vaultLease, tokenSeconds }: Issue, { period }: RefreshSlot, slotAt: EpochMs): EpochMs {
  const { seconds: leaseSeconds = 0 } = vaultLease ?? {};
  const ttls = [leaseSeconds, tokenSeconds].filter((seconds) => seconds > 0);
  return slotAt + (Math.min(...ttls) - period) * SECOND_MS;
}
