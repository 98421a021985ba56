import { MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { renewSlotOf } from "../issues/issue-times.ts";
import { cleanupKey, declarationKey, isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type { SyncKind } from "../kinds/kind.ts";
import { originOf } from "../origins/origin-of.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Row } from "../ports/rows.ts";
import type { Settlement } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import type { Batch } from "./batch.ts";
import { claimOf } from "./claim.ts";
import { clear } from "./clear.ts";
import { endAll, endUnused, leaveAll } from "./duties.ts";
import { landingAfter, nextDuty } from "./next-duty.ts";
import { ownOutage } from "./own-outage.ts";
import { reachedBy } from "./run.ts";
import { settleFailed } from "./settle.ts";

/** A row whose declaration is gone or being deleted. */
export interface CleaningUp {
  readonly row: Row;
  readonly settings: ClusterSettings;
  /** Missing for a reference's status. */
  readonly kind: SyncKind | undefined;
}

/** Removes what a deleted declaration leaves behind: Secrets that are still ours, then VSO's finalizer. */
export async function cleanUp(deps: ReconcileDeps, cleaning: CleaningUp, batch: Batch): Promise<void> {
  const claim = claimOf(deps, cleaning.row, undefined, cleaning.settings.vaults);
  if (!(await claim.take())) return;
  const { key, declared, state: before } = claim.row;
  const settlement = await removeAll(deps, cleaning, claim, batch);
  // Another worker has the row now.
  if (settlement === undefined) return;
  await claim.settle(settlement);
  if (settlement.state.error !== undefined) return;
  if (isCleanupKey(key)) await wakeSuccessor(deps, key);
  else await endHandedOver(deps, key, declared.uid, batch.signal);
  const { cluster, namespace } = partsOf(key);
  await batch.released.wakeRefused(
    cluster,
    before.owned.map(({ name }) => ({ namespace, name })),
  );
}

/** A new declaration of the same name may wait until the old one's Secret is gone. */
async function wakeSuccessor(deps: ReconcileDeps, key: SyncKey): Promise<void> {
  const due = await deps.leases.nudge(declarationKey(key), { now: deps.clock(), verify: false });
  if (due) await sendDue(deps.queue, [due], deps.clock());
}

/** What the declaration had in Vault when it was handed over once, before it came back: its retention is over. */
async function endHandedOver(deps: ReconcileDeps, key: SyncKey, uid: string, signal: AbortSignal): Promise<void> {
  const retired = cleanupKey(key, uid);
  const row = (await deps.leases.read([retired], "strong")).get(retired);
  if (row === undefined || !isRetained(row, deps.clock())) return;
  const claim = claimOf(deps, row);
  if (!(await claim.take())) return;
  await endAll(deps, claim, signal);
  const { retainUntil: _over, ...state } = claim.row.state;
  await claim.settle(done({ ...claim.row, state }, deps.clock()));
}

/**
 * What left the fleet: replaced credentials are ended at their time, and when the retention is over, all (lease-table 28).
 * A clean-up that was not done when its cluster left has no retention.
 */
export async function endRetired(deps: ReconcileDeps, row: Row, signal: AbortSignal): Promise<void> {
  const claim = claimOf(deps, row);
  if (!(await claim.take())) return;
  if (isRetained(claim.row, deps.clock())) await endUnused(deps, claim, signal);
  else await endAll(deps, claim, signal);
  await claim.settle(done(claim.row, deps.clock()));
}

function isRetained({ state: { retainUntil = 0 } }: Row, now: number): boolean {
  return retainUntil > now;
}

/** How often it is looked at whether a declaration that came back was applied. */
const CAME_BACK_MS = 5 * MINUTE_MS;

/** Undefined: another worker has the row now. */
async function removeAll(
  deps: ReconcileDeps,
  { settings, kind }: CleaningUp,
  claim: Claim,
  batch: Batch,
): Promise<Settlement | undefined> {
  const { circuits, signal } = batch;
  const { row } = claim;
  const since = deps.clock();
  const origin = originOf(deps, row, kind?.ref);
  const pushes = { writes: deps.writes, reached: reachedBy(batch), clock: deps.clock };
  try {
    const standing = await clear({ kind, settings, apis: { ...deps, origin, pushes }, claim }, signal);
    if (standing === "waiting") {
      const now = deps.clock();
      return { ...done(claim.row, now), schedule: { kind: "due", at: now + CAME_BACK_MS } };
    }
    if (standing === "declared") {
      // Its credentials are in use: they end by themselves.
      leaveAll(claim, deps.clock());
      return done(claim.row, deps.clock());
    }
    await endAll(deps, claim, signal);
    await origin.release(signal);
    deps.log.info("declaration-cleaned-up", { key: row.key, secrets: row.state.owned.map((owned) => owned.name) });
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    if (error.code === "LEASE_LOST") return undefined;
    if (!MEANS_GONE.has(error.code)) {
      return failedCleanUp(deps, claim.row, ownOutage(await circuits.classify(error, undefined, signal)));
    }
    if ((claim.row.state.pushed ?? []).length > 0) return failedCleanUp(deps, claim.row, withoutLogin(error));
    await endAll(deps, claim, signal);
  }
  return done(claim.row, deps.clock(), since);
}

/** The namespace's deletion removes everything. */
const MEANS_GONE: ReadonlySet<string> = new Set(["NAMESPACE_MISSING", "NAMESPACE_TERMINATING"]);

/** What was pushed is in Vault, where the namespace's deletion removes nothing. */
function withoutLogin({ message }: SyncError): SyncError {
  const remedy =
    "what was pushed to Vault stays there until the service account of the push exists again, or remove it";
  return new SyncError("REFERENCE_MISSING", `${message}: ${remedy}`);
}

function failedCleanUp(deps: ReconcileDeps, row: Row, error: SyncError): Settlement {
  deps.log.warn("clean-up-failed", { key: row.key, code: error.code, message: error.message });
  return settleFailed(row.state, error, { now: deps.clock(), random: deps.random, dispatchedUntil: undefined });
}

/**
 * A clean-up row goes after the declaration's last lease, whose worker may still be writing (lease-table 8), and after a
 * write to Vault that is still under way. `since`: when the clean-up began.
 */
function done(row: Row, now: number, since = now): Settlement {
  const { busyUntil, retainUntil, issues = [] } = row.state;
  const dutyAt = nextDuty(landingAfter(row.state, since), now);
  const renew = renewSlotOf(row.key, issues, now);
  const isBusy = busyUntil !== undefined && busyUntil > now;
  const { blanks: _blanked, ...kept } = row.state;
  const state = isBusy ? row.state : { ...kept, owned: [] };
  const retained = isRetained(row, now) && issues.length > 0 ? retainUntil : undefined;
  const times = [dutyAt, isBusy ? busyUntil : undefined, retained].filter((time) => time !== undefined);
  if (times.length > 0) return { state, schedule: { kind: "due", at: Math.min(...times) }, renew, now };
  if (!isCleanupKey(row.key)) return { state, schedule: { kind: "parked" }, renew, now };
  // No issue is left: each one that is not ending was made to.
  return issues.length > 0
    ? { state, schedule: { kind: "due", at: now }, renew, now }
    : { state, schedule: { kind: "gone" }, now };
}
