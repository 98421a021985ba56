import { circuitOfCluster } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { atRiskWarning } from "../issues/at-risk.ts";
import { isKept, liveIssue, withIssues } from "../issues/issue-times.ts";
import { endsAtEarliest, type Renewed, type Renewing, renewAgainIn, renewIssues } from "../issues/renew-issues.ts";
import { retentionOf } from "../issues/retention.ts";
import { isCleanupKey, partsOf } from "../keys.ts";
import { seenAfter } from "../origins/announce.ts";
import type { Origin } from "../origins/origin.ts";
import { originOf } from "../origins/origin-of.ts";
import type { RunOutcome } from "../origins/status.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Issue, LostBecause } from "../ports/issues.ts";
import type { Row } from "../ports/rows.ts";
import { sendDue } from "../schedule/messages.ts";
import { nextSlot } from "../schedule/wheel.ts";
import type { Batch } from "./batch.ts";
import { claimOf } from "./claim.ts";
import { dueAfter, endAll, stayed } from "./duties.ts";

/**
 * A slot of the renew wheel: keeps what the row has in Vault. Takes no claim and writes nothing, whoever works on the
 * row, whether its cluster is reachable or not; only the first refusal claims the row, so that it is issued anew
 * (lease-table 29).
 */
export async function renewRow(deps: ReconcileDeps, row: Row, at: EpochMs, batch: Batch): Promise<void> {
  const { key, renew: slot, state } = row;
  const { issues = [] } = state;
  if (slot === undefined || !issues.some((issue) => isKept(issue, deps.clock()))) return;
  if (await isOutOfReachTooLong(deps, row, batch)) return endOutOfReach(deps, row, batch.signal);
  const isAway = async (circuit: string) => (await batch.circuits.openAmong([circuit])) !== undefined;
  const atVault: Renewing["atVault"] = (target, ask) => batch.atVault(key, target, ask);
  const renewed = await renewIssues(deps, { key, issues, slot, at, isAway, atVault, signal: batch.signal });
  if (renewed.lost.size > 0 && !isCleanupKey(key)) await issueAnewSoon(deps, row, renewed.lost);
  if (renewed.unanswered.size > 0) await renewAgain(deps, row, renewed, at, batch);
  if (issues.some(({ serial, atRisk }) => atRisk !== undefined && renewed.renewed.has(serial)))
    await tellRisk(deps, row, undefined, batch);
}

/** More than a failed probe and the pause before it take. */
const PROBE_MS = MINUTE_MS;

/**
 * Its cluster is out of reach for so long that its Secrets may be gone for good. So many failed probes must prove that:
 * the clock may have been behind when the circuit opened.
 */
async function isOutOfReachTooLong(
  { fleet, clock }: ReconcileDeps,
  { key, state }: Row,
  batch: Batch,
): Promise<boolean> {
  const { cluster } = partsOf(key);
  const open = isCleanupKey(key) ? undefined : await batch.circuits.openAmong([circuitOfCluster(cluster)]);
  if (open === undefined) return false;
  const outFor = Math.min(clock() - open.since, open.attempts * PROBE_MS);
  return outFor > retentionOf(state.waitsFor, fleet(cluster)?.vaults);
}

/** Ends what it has; when its cluster is back, another one is issued. */
async function endOutOfReach(deps: ReconcileDeps, row: Row, signal: AbortSignal): Promise<void> {
  const claim = claimOf(deps, row);
  if (!(await claim.take())) return;
  await endAll(deps, claim, signal);
  deps.log.warn("issues-ended-out-of-reach", { key: row.key });
  const now = deps.clock();
  const { state } = claim.row;
  await claim.settle({ state, schedule: { kind: "due", at: now }, renew: "off", now });
}

/** Notes the refusal, and makes the row due: its next run asks for another credential. */
async function issueAnewSoon(deps: ReconcileDeps, row: Row, lost: ReadonlyMap<string, LostBecause>): Promise<void> {
  const claim = claimOf(deps, row);
  if (!(await claim.take())) return;
  const { state } = claim.row;
  const { issues = [] } = state;
  const now = deps.clock();
  const flagged = issues.filter(({ serial, state: at }) => at === "live" && lost.has(serial));
  const changed = new Map(flagged.map((issue) => [issue.serial, { ...issue, lost: lost.get(issue.serial) ?? "gone" }]));
  for (const { serial, lost: because } of changed.values())
    deps.log.info("issue-lost", { key: row.key, serial, because });
  await claim.settle({
    state: { ...state, issues: withIssues(issues, changed) },
    schedule: { kind: "due", at: now },
    now,
  });
}

/**
 * A delayed message, until the next regular slot; after the last one people are told. `at`: the time of the slot, or of
 * one of its tries.
 */
async function renewAgain(
  deps: ReconcileDeps,
  row: Row,
  { unanswered, isDistrusted, isAnswered }: Pick<Renewed, "unanswered" | "isDistrusted" | "isAnswered">,
  at: EpochMs,
  batch: Batch,
): Promise<void> {
  const { key, declared, state, renew } = row;
  const now = deps.clock();
  const asked = (state.issues ?? []).filter(({ serial }) => unanswered.has(serial));
  const first = liveIssue({ issues: asked }) ?? asked[0];
  if (renew === undefined || first === undefined) return;
  const again = now + renewAgainIn(first, isAnswered);
  const next = nextSlot(renew, at);
  if (again < next) {
    return sendDue(deps.queue, [{ key, group: declared.group, lane: "renew", at: again }], now);
  }
  // The next slot comes by itself, and begins its own tries.
  const isNews = first.state === "live" && first.atRisk === undefined && !isCleanupKey(key);
  const endsAt = endsAtEarliest(first, renew, next - renew.period * SECOND_MS);
  if (isNews) await tellRisk(deps, row, { issue: first, endsAt }, batch, isDistrusted ? now : dueAfter(row, now));
}

/**
 * A warning on the resource while a credential's renewals are not answered; `risk` undefined: it is over. `dueAt`: when
 * the row runs next.
 */
async function tellRisk(
  deps: ReconcileDeps,
  row: Row,
  risk: { readonly issue: Issue; readonly endsAt: EpochMs } | undefined,
  { signal }: Batch,
  dueAt = dueAfter(row, deps.clock()),
): Promise<void> {
  const claim = claimOf(deps, row);
  if (deps.fleet(partsOf(row.key).cluster) === undefined || !(await claim.take())) return;
  const { state } = claim.row;
  const issues = (state.issues ?? []).map(({ atRisk: _former, ...issue }) =>
    issue.serial === risk?.issue.serial ? { ...issue, atRisk: risk.endsAt } : issue,
  );
  const warning = risk && atRiskWarning(risk.endsAt);
  if (risk !== undefined) {
    deps.log.warn("lease-at-risk", {
      key: row.key,
      serial: risk.issue.serial,
      endsAt: new Date(risk.endsAt).toISOString(),
    });
    deps.metrics.count("keyferry_leases_at_risk_total", {});
  }
  const outcome = { kind: "warned", type: "CredentialRenewed", ...(warning && { warning }) } as const;
  const seen = await told(originOf(deps, claim.row), outcome, claim, signal);
  const next = { ...state, issues, ...seenAfter(claim.row, seen) };
  await claim.settle(stayed({ ...claim.row, state: next }, deps.clock(), dueAt));
}

/** A resource that can't be written must not keep the row. */
async function told(origin: Origin, outcome: RunOutcome, claim: Claim, signal: AbortSignal) {
  try {
    return (await origin.announce(outcome, claim, signal)).seen;
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return undefined;
  }
}
