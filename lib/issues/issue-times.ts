import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { Issue } from "../ports/issues.ts";
import type { RefreshSlot, RowState } from "../ports/rows.ts";
import { phaseOf, slotsUntil, stepWithin } from "../schedule/wheel.ts";

/** When an issue is renewed, replaced and ended. Pure. */

/** Never renewed more often than this, in seconds. */
const SHORTEST_S = 4;
/** A shorter TTL leaves no room for two renewals, in seconds. */
export const SHORTEST_TTL_S = 10;
/** Two renewals fit into a TTL, so that one lost message loses no credential. */
const MOST_RENEWAL_PERCENT = 45;
/** Nothing is renewed, or replaced, at a smaller share of its life, so that `renewalPercent: 0` is no storm. */
const LEAST_PERCENT = 5;

/** The longest pause between attempts to end an issue. */
const MAX_END_PAUSE_MS = 10 * MINUTE_MS;
const FIRST_END_PAUSE_MS = 5 * SECOND_MS;
/** Clocks of Vault and keyferry differ, and Vault ends leases a little late. */
const GONE_MARGIN_MS = 30 * SECOND_MS;
/** No clock is wrong by so much: what is over for longer is not asked about, so that a long outage has no storm after it. */
const LONG_MS = 10 * MINUTE_MS;

/** How soon, after its record, the request must start. */
export const ASK_WITHIN_MS = 5 * SECOND_MS;

type Ttls = Pick<Issue, "tokenSeconds" | "tokenRenewable" | "vaultLease">;

/** What is renewed: the lease, the token, or neither. */
export function renewable({ tokenSeconds, tokenRenewable, vaultLease }: Ttls): { lease: boolean; token: boolean } {
  return { lease: vaultLease?.renewable === true, token: tokenRenewable && tokenSeconds > 0 };
}

/** The seconds within which it must be renewed; undefined when nothing of it can be. */
export function renewWithinOf(issue: Ttls, renewalPercent: number): number | undefined {
  const { vaultLease, tokenSeconds } = issue;
  const ttls = [
    ...(vaultLease?.renewable ? [vaultLease.seconds] : []),
    ...(renewable(issue).token ? [tokenSeconds] : []),
  ];
  if (ttls.length === 0) return undefined;
  const percent = Math.max(LEAST_PERCENT, Math.min(renewalPercent, MOST_RENEWAL_PERCENT));
  return Math.max(SHORTEST_S, Math.floor((Math.min(...ttls) * percent) / 100));
}

/**
 * When it is replaced because a part of it can't be renewed: at this share of that part's life. Undefined: renewals
 * keep it until Vault refuses more.
 */
export function replaceAtOf(
  issue: Ttls & Pick<Issue, "askBefore">,
  loggedInAt: EpochMs,
  renewalPercent: number,
): EpochMs | undefined {
  const parts = renewable(issue);
  const ends = [
    ...(issue.vaultLease !== undefined && !parts.lease
      ? [{ from: issue.vaultLease.issuedAt, seconds: issue.vaultLease.seconds }]
      : []),
    ...(issue.tokenSeconds > 0 && !parts.token ? [{ from: loggedInAt, seconds: issue.tokenSeconds }] : []),
  ];
  const times = ends.map(({ from, seconds }) => from + Math.floor(usedFor(seconds, renewalPercent) * SECOND_MS));
  return times.length === 0 ? undefined : Math.min(...times);
}

/** For how many seconds of its life something is used that can't be renewed. */
export function usedFor(seconds: number, renewalPercent: number): number {
  return (seconds * Math.max(renewalPercent, LEAST_PERCENT)) / 100;
}

/** Whether renewals have to keep it: it is in use, or was not replaced everywhere yet. */
export function isKept({ state, renewWithin, inUseUntil, endAt = 0 }: Issue, now: EpochMs): boolean {
  if (renewWithin === undefined || state === "asking") return false;
  return state !== "ending" || inUseUntil !== undefined || endAt > now;
}

/** The row's slot on the renew wheel: the phase comes from its key, so that renewals are spread. */
export function renewSlotOf(key: string, issues: readonly Issue[], now: EpochMs): RefreshSlot | "off" {
  const within = issues.filter((issue) => isKept(issue, now)).map(({ renewWithin = SHORTEST_S }) => renewWithin);
  if (within.length === 0) return "off";
  const period = stepWithin(Math.min(...within) * SECOND_MS);
  return { period, phase: phaseOf(key, period) };
}

/**
 * The times of renewals up to `until` of a row that is new to this slot. A slot that passed since an issue was made
 * comes once the row is stored: counted from then on, two renewals fit into its TTL.
 */
export function firstRenewals(
  slot: RefreshSlot,
  issues: readonly Issue[],
  now: EpochMs,
  until: EpochMs,
): readonly EpochMs[] {
  const made = issues.map(({ vaultLease }) => vaultLease?.issuedAt ?? now);
  const from = Math.min(now, ...made.filter((at) => at > now - slot.period * SECOND_MS));
  return slotsUntil(slot, from, until).map((at) => (at > now ? at : now + SECOND_MS));
}

/** Whether this slot also renews the token: each k-th one does, as often as the token's own TTL needs it. */
export function renewsToken({ tokenSeconds }: Issue, { period }: RefreshSlot, at: EpochMs): boolean {
  const every = Math.max(1, Math.floor((tokenSeconds * MOST_RENEWAL_PERCENT) / 100 / period));
  return Math.floor(at / SECOND_MS / period) % every === 0;
}

/**
 * An issue whose request may still be under way: its token must not be revoked before the request has surely ended,
 * because Vault would keep the lease then (lease-table 27).
 */
export function endingUnanswered(issue: Issue): Issue {
  const { endAt = issue.askBefore } = issue;
  return { ...issue, state: "ending", endAt, ...goneBy(endAt, issue) };
}

/** To be ended at that time. */
export function endingAt(issue: Issue, endAt: EpochMs, now: EpochMs): Issue {
  return { ...issue, state: "ending", endAt, ...goneBy(now, issue) };
}

/** A replaced issue ends by itself: its token is kept until its lease's end. */
export function endingByItself(issue: Issue, now: EpochMs): Issue {
  return endingAt(issue, Math.max(now, endOf(issue, now) ?? now), now);
}

function goneBy(from: EpochMs, issue: Issue): Pick<Issue, "goneBy"> {
  const end = endOf(issue, from);
  return end === undefined ? {} : { goneBy: end + GONE_MARGIN_MS };
}

/** When it has ended by itself, if nobody renews it from then on; undefined: never. */
function endOf({ vaultLease, tokenSeconds, certificate, askBefore }: Issue, renewedAt: EpochMs): EpochMs | undefined {
  // A lease that nobody renews ends with its own TTL; one that may have been made without our knowledge, with the token.
  const seconds = vaultLease?.seconds ?? tokenSeconds;
  // The end of a certificate is in it, whenever it is replaced.
  const from = certificate === undefined ? renewedAt : askBefore;
  return seconds === 0 ? undefined : from + seconds * SECOND_MS;
}

/** After a failed attempt: again later, until it has ended by itself. */
export function endedLater(issue: Issue, now: EpochMs): Issue {
  const tries = (issue.tries ?? 0) + 1;
  const pause = Math.min(MAX_END_PAUSE_MS, FIRST_END_PAUSE_MS * 2 ** (tries - 1));
  const last = issue.goneBy ?? Number.POSITIVE_INFINITY;
  return { ...issue, tries, endAt: Math.max(now + SECOND_MS, Math.min(now + pause, last)) };
}

/** Whether nothing of it can be left in Vault, if our clock is right. */
export function isOver({ goneBy: over = Number.POSITIVE_INFINITY }: Issue, now: EpochMs): boolean {
  return now >= over;
}

/** Whether nothing of it can be left in Vault, also if our clock was set in the meantime. */
export function isLongOver(issue: Issue, now: EpochMs): boolean {
  return isOver(issue, now - LONG_MS);
}

/** A certificate that is left to its end: the row need not know it any longer than it is in use. */
export function isNotRevoked({ certificate, endBy }: Issue): boolean {
  return certificate !== undefined && endBy === "none";
}

/** When the row must look at its ending issues; undefined: it has none. */
export function nextEnd({ issues = [] }: Pick<RowState, "issues">): EpochMs | undefined {
  const times = issues.filter(({ state }) => state === "ending").map(({ endAt = 0 }) => endAt);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Ending issues that are due. */
export function dueEnds({ issues = [] }: Pick<RowState, "issues">, now: EpochMs): readonly Issue[] {
  return issues.filter(({ state, endAt = 0 }) => state === "ending" && endAt <= now);
}

/** The issue in use. */
export function liveIssue({ issues = [] }: Pick<RowState, "issues">): Issue | undefined {
  return issues.find(({ state }) => state === "live");
}

/** Replaces issues by serial; `undefined` removes one. */
export function withIssues(
  issues: readonly Issue[],
  changed: ReadonlyMap<string, Issue | undefined>,
): readonly Issue[] {
  return issues.flatMap((issue) => {
    if (!changed.has(issue.serial)) return [issue];
    const next = changed.get(issue.serial);
    return next === undefined ? [] : [next];
  });
}
