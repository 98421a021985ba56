import { type EpochMs, SECOND_MS } from "../clock.ts";
import { DestinationAwaited } from "../destinations/destination.ts";
import { type ErrorCode, OUTAGE_CODES, SyncError } from "../errors.ts";
import { causeOf } from "../failures/causes.ts";
import { PathAwaited } from "../failures/path-wake.ts";
import { WAITS_FOR_A_SECRET } from "../failures/release-wake.ts";
import { asError, followAt, type KnownFailure, type SharedOutcome } from "../failures/shared-failures.ts";
import { firstRenewals, renewSlotOf } from "../issues/issue-times.ts";
import { partsOf } from "../keys.ts";
import type { Resolved } from "../kinds/kind.ts";
import { seenAfter } from "../origins/announce.ts";
import type { Announced } from "../origins/origin.ts";
import type { RunOutcome } from "../origins/status.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Did } from "../ports/domain-events.ts";
import type { Issue } from "../ports/issues.ts";
import type { Row, RowState } from "../ports/rows.ts";
import type { Settlement } from "../ports/store.ts";
import { verifyReferences } from "../references/verify-references.ts";
import { sendDue } from "../schedule/messages.ts";
import type { Json, JsonObject } from "../util/json.ts";
import { causePlaceOf, longestPauseOf } from "./asking.ts";
import { type Attempt, type InStep, restartedBy, rollOutWritten } from "./attempt.ts";
import type { Batch } from "./batch.ts";
import { ownOutage } from "./own-outage.ts";
import { repairsOf, tellFight } from "./repaired.ts";
import { report } from "./report-run.ts";
import { type Run, vaultOf } from "./run.ts";
import { type FailureContext, settleFailed, settleSynced, type Timing } from "./settle.ts";

/**
 * Settles an attempt: a state and a time in the row, and a status on the resource. Returns the outcome for other syncs.
 */
export async function settleAttempt(
  deps: ReconcileDeps,
  run: Run,
  attempt: Attempt,
  batch: Batch,
): Promise<SharedOutcome | undefined> {
  switch (attempt.kind) {
    case "unchanged":
      return countInStep(deps, run, "unchanged");
    case "in-step":
      await settleInStep(deps, run, attempt, batch);
      return countInStep(deps, run, "settled");
    case "later":
      return settleLater(deps, run, attempt);
    case "failed":
      return settleFailure(deps, run, attempt.error, batch);
    case "known":
      return settleKnown(deps, run, attempt.failure, batch);
    default:
      return attempt satisfies never;
  }
}

function countInStep(deps: ReconcileDeps, run: Run, result: "settled" | "unchanged"): SharedOutcome {
  deps.metrics.count("keyferry_syncs_total", { cluster: run.settings.name, result });
  report(deps, run, { isUnchanged: result === "unchanged" });
  return { kind: "well" };
}

async function settleInStep(deps: ReconcileDeps, run: Run, inStep: InStep, batch: Batch): Promise<void> {
  const { claim, refs, settings } = run;
  const { obtained, learned, rolled, mac, resolved } = inStep;
  const { declared, state: before, key } = claim.row;
  const outcome: RunOutcome = {
    kind: "synced",
    ...(rolled.condition === undefined ? {} : { rollout: rolled.condition }),
    isRolloutOwed: rolled.state.rollout !== undefined,
    ...(mac === undefined ? {} : { mac }),
    ...(learned.wrote === undefined ? {} : { wrote: learned.wrote }),
    warnings: obtained.warnings,
    ...statusOf(learned.status ?? obtained.status),
    isRotation: obtained.isRotation ?? false,
  };
  const told = await announce(run, outcome, batch);
  const { own: _own, rollout: _rollout, issues: _issues, blanks: _blanks, isUnverified: _verified, ...kept } = before;
  const state: RowState = {
    ...kept,
    ...rolled.state,
    ...vaultOf(run),
    refs,
    owned: learned.owned,
    digest: inStep.digest,
    appliedHash: declared.hash,
    ...(obtained.own === undefined ? {} : { own: obtained.own }),
    ...issuesOf(obtained.issues ?? before.issues),
    ...(resolved.blanks === undefined ? {} : { blanks: resolved.blanks }),
    ...seenAfter(claim.row, told.announced?.seen),
    ...(isPush(resolved) ? {} : repairsOf(claim.row, inStep, deps.clock())),
  };
  await tellFight(deps, run, inStep, state, batch.signal);
  const timing = await timingOf(deps);
  // Data is refreshed at its normal pace even if the status can't be written.
  const settlement = told.error
    ? settleFailed(state, ownOutage(told.error, circuitRead(run)), timing, { longestMs: longestPauseOf(run.resolved) })
    : settleSynced(claim.row, state, obtained.next, timing);
  const reached = obtained.reached ?? claim.row.expect?.version;
  const done = { ...settlement, did: didOf(inStep) };
  await settleRenewed(deps, run, reached === undefined ? done : { ...done, reached });
  await verifyReferences(deps, { row: claim.row, refs }, batch);
  await batch.released.wakeRefused(settings.name, releasedBy(before, state, partsOf(key)));
  if (learned.wrote === undefined) return;
  deps.log.info("secret-written", { key, because: learned.wrote });
  observePropagation(deps, claim.row);
}

/**
 * From Vault's line to the Secret. The row brings the line's time, because the process that wrote the Secret may be
 * another one than that which got the line.
 */
function observePropagation({ metrics, clock }: ReconcileDeps, { key, expect }: Row): void {
  if (expect === undefined) return;
  const seconds = Math.max(0, clock() - expect.at) / SECOND_MS;
  metrics.observe("keyferry_propagation_seconds", { cluster: partsOf(key).cluster }, seconds);
}

/** For domain events. */
function didOf({ resolved, obtained, learned, rolled }: InStep): Did {
  const isWritten = learned.wrote !== undefined;
  const secret = isPush(resolved) ? {} : { secret: { name: resolved.destination.name, isWritten } };
  return { ...secret, issued: obtained.isIssued === true && isWritten, ...restartedBy(rolled) };
}

/** It writes to a Vault, and no Secret. */
function isPush({ asks }: Resolved): boolean {
  return asks?.place.role === "push";
}

/**
 * Settles an attempt that is in step, with the row's slot on the renew wheel: slots that ticks have passed already are
 * sent before (lease-table 14).
 */
async function settleRenewed(deps: ReconcileDeps, { claim }: Run, settlement: Settlement): Promise<void> {
  const { key, declared, renew: before } = claim.row;
  const { issues = [] } = settlement.state;
  if (issues.length === 0 && before === undefined) return claim.settle(settlement, "verified");
  const now = deps.clock();
  const renew = renewSlotOf(key, issues, now);
  if (renew !== "off" && (renew.period !== before?.period || renew.phase !== before.phase)) {
    const due = firstRenewals(renew, issues, now, await renewalsSentUntil(deps, now)).map((at) => ({
      key,
      group: declared.group,
      lane: "renew" as const,
      at,
    }));
    await sendDue(deps.queue, due, now);
  }
  await claim.settle({ ...settlement, renew }, "verified");
}

/** Between two ticks, with a margin. */
const TICK_MS = 75 * SECOND_MS;

/** While no row was on the renew wheel ticks did not look at it: the next one does, up to a minute later. */
async function renewalsSentUntil({ leases }: ReconcileDeps, now: EpochMs): Promise<EpochMs> {
  const until = await leases.dispatchedUntil("renew");
  return until === undefined || until < now ? now + TICK_MS : until;
}

function issuesOf(issues: readonly Issue[] | undefined): Pick<RowState, "issues"> {
  return issues === undefined || issues.length === 0 ? {} : { issues };
}

function statusOf(status: JsonObject | undefined): { readonly status?: JsonObject } {
  return status === undefined ? {} : { status };
}

/** Secrets under former names that are gone or left to other owners. */
function releasedBy(before: RowState, after: RowState, { namespace }: { readonly namespace: string }) {
  const kept = new Set(after.owned.map(({ name }) => name));
  return before.owned.filter(({ name }) => !kept.has(name)).map(({ name }) => ({ namespace, name }));
}

/** Nothing was written yet: the row keeps what was learned, and runs again at its own time. */
async function settleLater(
  deps: ReconcileDeps,
  { claim, refs }: Run,
  { at, own }: { readonly at: EpochMs; readonly own: Json },
): Promise<undefined> {
  if (!(await claim.take())) return;
  await claim.settle({ state: { ...claim.row.state, own, refs }, schedule: { kind: "due", at }, now: deps.clock() });
}

/**
 * The only handler of a sync's failures: each becomes a time in the row, a status on the resource, and for outages a
 * circuit.
 */
async function settleFailure(
  deps: ReconcileDeps,
  run: Run,
  met: SyncError,
  batch: Batch,
): Promise<SharedOutcome | undefined> {
  const { resolved, claim, settings } = run;
  const { row } = claim;
  const target = resolved instanceof SyncError ? undefined : resolved.asks?.identity.target;
  const error = ownOutage(await batch.circuits.classify(met, target, batch.signal), circuitRead(run));
  deps.metrics.count("keyferry_sync_errors_total", { cluster: settings.name, code: error.code });
  if (error.code === "LEASE_LOST") return;
  report(deps, run, { error });
  deps.log.warn("sync-failed", { key: row.key, code: error.code, message: error.message });
  // An unclaimed refresh writes nothing about an outage: its next slot, or the closing circuit, runs it again.
  if (OUTAGE_CODES.has(error.code) && !claim.isTaken) return;
  const cause = causeOf(error, causePlaceOf(row, resolved));
  const context = { cause, longestMs: longestPauseOf(resolved) };
  const settled = await settleError(deps, run, error, context, batch);
  return settled && { kind: "failed", error, cause, nextAt: settled.state.error?.nextAt };
}

function circuitRead({ resolved }: Run): string | undefined {
  return resolved instanceof SyncError ? undefined : resolved.asks?.circuit;
}

/** Sends no request, because the result is known; the sync that retries wakes it after a success. */
async function settleKnown(
  deps: ReconcileDeps,
  run: Run,
  failure: KnownFailure,
  batch: Batch,
): Promise<SharedOutcome | undefined> {
  const { clock, random, metrics } = deps;
  const { asking, claim, settings } = run;
  metrics.count("keyferry_syncs_waiting_total", { cluster: settings.name });
  const knownUntil = followAt(failure, asking, { now: clock(), random });
  const context = { cause: failure.cause, longestMs: asking.longestMs, knownUntil };
  const settled = await settleError(deps, run, asError(failure, claim.row.state.error), context, batch);
  return settled && { kind: "known", failure };
}

/** Writes the failure to the row and the resource; undefined when another worker has the row. */
async function settleError(
  deps: ReconcileDeps,
  run: Run,
  error: SyncError,
  context: FailureContext,
  batch: Batch,
): Promise<Settlement | undefined> {
  const { claim, kind, resolved, refs } = run;
  if (!(await claim.take())) return undefined;
  const rolled = await rollOutWritten(deps, run, batch);
  const { rollout: _rollout, ...before } = claim.row.state;
  const outcome: RunOutcome = { kind: "failed", error, ...statusOf(kind.failedStatus?.(error)) };
  const told = error.code === "DECLARATION_GONE" ? {} : await announce(run, outcome, batch);
  const owned = resolved instanceof SyncError ? before.owned : kind.destination.ownedWith(resolved, before.owned);
  const after: RowState = {
    ...before,
    ...rolled.state,
    ...vaultOf(run),
    refs,
    owned: error instanceof DestinationAwaited ? error.recordOf(owned) : owned,
    ...seenAfter(claim.row, told.announced?.seen),
  };
  const refused = refusedTo(run, error);
  const taken = error instanceof PathAwaited ? error.awaits : undefined;
  const denied = deniedBy(run, error);
  const settlement = settleFailed(after, error, await timingOf(deps), { ...context, refused, taken, denied });
  await claim.settle({ ...settlement, did: restartedBy(rolled) });
  await verifyReferences(deps, { row: claim.row, refs }, batch);
  return settlement;
}

/** The Secret that another declaration has, or that is being deleted: its release wakes this row. */
function refusedTo({ claim, resolved }: Run, { code }: SyncError): string | undefined {
  if (resolved instanceof SyncError || !WAITS_FOR_A_SECRET.has(code)) return undefined;
  const { cluster, namespace } = partsOf(claim.row.key);
  return `${cluster}/${namespace}/${resolved.destination.name}`;
}

const DENIALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["VAULT_DENIED", "VAULT_LOGIN_REFUSED"]);

/** The Vault whose rights have to change: an event of such a change wakes this row. */
function deniedBy({ resolved }: Run, { code }: SyncError): string | undefined {
  return resolved instanceof SyncError || !DENIALS.has(code) ? undefined : resolved.asks?.place.vault;
}

/** The data is in step even if the status can't be written, which is a separate failure. */
async function announce(
  { origin, claim }: Run,
  outcome: RunOutcome,
  { signal }: Batch,
): Promise<{ announced?: Announced; error?: SyncError }> {
  try {
    return { announced: await origin.announce(outcome, claim, signal) };
  } catch (error) {
    if (error instanceof SyncError) return { error };
    throw error;
  }
}

/** The current times that settle needs. */
async function timingOf({ clock, random, leases }: ReconcileDeps): Promise<Timing> {
  return { now: clock(), random, dispatchedUntil: await leases.dispatchedUntil("refresh") };
}
