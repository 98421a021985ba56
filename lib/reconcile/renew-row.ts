import { circuitOfCluster } from "../circuits.ts";
import type { EpochMs } from "../clock.ts";
import { isKept, withIssues } from "../issues/issue-times.ts";
import { renewAgainIn, renewIssues } from "../issues/renew-issues.ts";
import { retentionOf } from "../issues/retention.ts";
import { isCleanupKey, partsOf } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { LostBecause, Row } from "../ports/rows.ts";
import { sendDue } from "../schedule/messages.ts";
import { nextSlot } from "../schedule/wheel.ts";
import type { Batch } from "./batch.ts";
import { claimOf } from "./claim.ts";
import { endAll } from "./duties.ts";

/**
 * A slot of the renew wheel: keeps what the row has in Vault. Takes no claim and writes nothing, whoever works on the
 * row, whether its cluster is reachable or not; only a refusal claims the row, so that it is issued anew (lease-table
 * 29).
 */
export async function renewRow(deps: ReconcileDeps, row: Row, at: EpochMs, batch: Batch): Promise<void> {
  const { key, renew: slot, state } = row;
  const { issues = [] } = state;
  if (slot === undefined || !issues.some((issue) => isKept(issue, deps.clock()))) return;
  if (await isOutOfReachTooLong(deps, row, batch)) return endOutOfReach(deps, row, batch.signal);
  const isAway = async (circuit: string) => (await batch.circuits.openAmong([circuit])) !== undefined;
  const renewed = await renewIssues(deps, { key, issues, slot, at, isAway, signal: batch.signal });
  if (renewed.lost.size > 0 && !isCleanupKey(key)) await issueAnewSoon(deps, row, renewed.lost);
  if (renewed.isUnanswered) await renewAgain(deps, row, at);
}

/** Its cluster is out of reach for so long that its Secrets may be gone for good. */
async function isOutOfReachTooLong(
  { fleet, clock }: ReconcileDeps,
  { key, state }: Row,
  batch: Batch,
): Promise<boolean> {
  const { cluster } = partsOf(key);
  const open = isCleanupKey(key) ? undefined : await batch.circuits.openAmong([circuitOfCluster(cluster)]);
  return open !== undefined && clock() - open.since > retentionOf(state.waitsFor, fleet(cluster)?.vaults);
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

/** A delayed message, until the next regular slot. */
async function renewAgain(deps: ReconcileDeps, { key, declared, state, renew }: Row, at: EpochMs): Promise<void> {
  const now = deps.clock();
  const [first] = (state.issues ?? []).filter((issue) => isKept(issue, now));
  const again = now + renewAgainIn(first ?? {});
  // The next slot comes by itself, and begins its own tries.
  if (renew === undefined || again >= nextSlot(renew, at)) return;
  await sendDue(deps.queue, [{ key, group: declared.group, lane: "renew", at: again }], now);
}
