import { circuitOfCluster, vaultOfCircuit } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { DISPOSITIONS, OUTAGE_CODES, RowTooLarge, SyncError } from "../errors.ts";
import type { CircuitOpener } from "../outage/circuit.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterState } from "../ports/store.ts";
import { backOff } from "../schedule/back-off.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { inOrder, type Pass, type Run, runStages, type WatchPassOptions } from "./pass.ts";
import { underPassLease } from "./pass-lease.ts";
import { errorOf, sightless } from "./sight.ts";
import {
  doubts,
  identity,
  installation,
  macKey,
  operatorNamespace,
  otherController,
  startOfWatches,
  syncsOfNewMacKey,
} from "./stages.ts";
import { watches } from "./watch-stage.ts";

/** The stages of a watch pass, between claiming the cluster's row and saving the result. */
const STAGES = inOrder(
  identity,
  operatorNamespace,
  installation,
  otherController,
  doubts,
  startOfWatches,
  macKey,
  syncsOfNewMacKey,
  watches,
);

/** The longest pause between passes over a dead cluster; each costs one time-out. */
const MAX_PAUSE_MS = 5 * MINUTE_MS;
/** How much longer the lease on a cluster's row lasts than the watch. */
const LEASE_SLACK_MS = 60 * SECOND_MS;
/** The shortest time between the starts of two watch passes: without a watch, and with one. */
const MAX_GAP_MS = 30 * SECOND_MS;
const SHORTEST_PASS_MS = SECOND_MS;
/** With a time limit, passes share their process: how much longer than its watch one may take before it waits longer. */
const OVERRUN_MS = 15 * SECOND_MS;
/** The same while missing declarations await approval, for which each pass lists for long. */
const AWAITING_GAP_MS = 2 * MINUTE_MS;
/** When a cluster that another worker has claimed is tried again. */
const CLAIMED_AGAIN_MS = 5 * SECOND_MS;

export type WatchPassOutcome =
  | { readonly kind: "done"; readonly againAt: EpochMs; readonly error?: SyncError; readonly isOutOfSight?: true }
  /** Another worker has claimed this cluster. */
  | { readonly kind: "claimed"; readonly againAt: EpochMs };

/**
 * Processes the changes of a cluster since the last watch pass: declarations become rows, deleted ones clean-ups, and
 * drift nudges.
 */
export async function runWatchPass(
  deps: DiscoveryDeps,
  circuits: CircuitOpener,
  settings: ClusterSettings,
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<WatchPassOutcome> {
  const startedAt = deps.clock();
  const leaseUntil = startedAt + options.seconds * SECOND_MS + LEASE_SLACK_MS;
  const row = await deps.leases.claimCluster(settings.name, { now: startedAt, until: leaseUntil });
  if (!row) return { kind: "claimed", againAt: startedAt + CLAIMED_AGAIN_MS };
  const leased = { ...row, leaseUntil };
  const underLease = { ...deps, leases: underPassLease(deps, leased) };
  const pass: Pass = { deps: underLease, circuits, settings, row: leased, options, signal };
  const run = await runStages(pass, STAGES);
  const failed = run.failed ?? outage(run);
  try {
    return failed ? await saveFailed(pass, run.state, failed) : await saveDone(pass, run, startedAt);
  } catch (error) {
    // Without its cursors the row fits, and everything is listed again.
    const small = { ...run.state, cursors: {} };
    if (error instanceof RowTooLarge) return saveFailed(pass, small, failed ?? tooManyLists(pass, run, error));
    // Neither could be stored: the row's lease expires by itself.
    if (!(error instanceof SyncError) || failed) throw error;
    return saveFailed(pass, run.state, { stage: "save", error });
  }
}

/** Each list has a cursor in the cluster's row. */
function tooManyLists({ row }: Pass, { state }: Run, cause: RowTooLarge): NonNullable<Run["failed"]> {
  const lists = Object.keys(state.cursors).length;
  const message = `The row of cluster ${row.name} is larger than the table takes after ${lists} lists: name fewer namespaces in fleet.yaml`;
  return { stage: "save", error: new SyncError(cause.code, message, { cause }) };
}

/** A cluster that became silent during the watch. */
function outage({ error }: Run): Run["failed"] {
  return error && OUTAGE_CODES.has(error.code) ? { stage: "watches", error } : undefined;
}

async function saveDone(
  { deps, settings, options, row }: Pass,
  { state, error }: Run,
  startedAt: EpochMs,
): Promise<WatchPassOutcome> {
  const now = deps.clock();
  const isLong = options.hasTimeLimit === true && now - startedAt > options.seconds * SECOND_MS + OVERRUN_MS;
  // The clock may have stepped back since the start.
  const since = Math.min(startedAt, now);
  const againAt = Math.max(now + options.againMs, since + pauseAfter(state, error, isLong, deps.random));
  const isSaved = await deps.leases.saveCluster(row, state, { dueAt: againAt });
  if (!isSaved) deps.log.warn("cluster-lease-lost", { cluster: settings.name });
  if (error?.code === "DEADLINE_EXCEEDED") {
    deps.log.warn("watch-pass-failed", {
      cluster: row.name,
      stage: "watches",
      code: error.code,
      message: error.message,
    });
  }
  return { kind: "done", againAt, ...(error ? { error } : {}), ...sightless(state) };
}

/**
 * A watch pass that ended at once, because nothing may be read or watched, is not repeated at once. One that took long and
 * will take as long again is repeated ever later, because it takes that time of the other clusters.
 */
function pauseAfter(
  { attempts, cursors, awaitingApproval }: ClusterState,
  error: SyncError | undefined,
  isLong: boolean,
  random: DiscoveryDeps["random"],
): number {
  if (error && (isLong || error.code === "DEADLINE_EXCEEDED")) {
    return backOff({ disposition: "recheck", attempts }, random) ?? MAX_GAP_MS;
  }
  if (error) {
    return Math.min(backOff({ disposition: DISPOSITIONS[error.code], attempts }, random) ?? MAX_GAP_MS, MAX_GAP_MS);
  }
  if (awaitingApproval && isLong) return AWAITING_GAP_MS;
  return Object.keys(cursors).length === 0 ? MAX_GAP_MS : SHORTEST_PASS_MS;
}

/** Handles every failed watch pass: stores the error in the cluster's row, and opens a circuit for an outage. */
async function saveFailed(
  { deps, circuits, row, options, signal }: Pass,
  state: ClusterState,
  { stage, error }: NonNullable<Run["failed"]>,
): Promise<WatchPassOutcome> {
  const now = deps.clock();
  if (signal.aborted && options.hasTimeLimit !== true) {
    await deps.leases.saveCluster(row, state, { dueAt: now });
    // The pass found out nothing.
    return { kind: "done", againAt: now };
  }
  const attempts = row.state.attempts + 1;
  // A Vault that gives no token for the cluster proves nothing about the cluster. No circuit's end wakes the cluster then.
  const isOfVault = error.circuit !== undefined && vaultOfCircuit(error.circuit) !== undefined;
  const pause = backOff({ disposition: error.disposition, attempts }, deps.random) ?? MAX_PAUSE_MS;
  const againAt = now + Math.max(SECOND_MS, Math.min(pause, isOfVault ? MAX_GAP_MS : MAX_PAUSE_MS));
  const failure = errorOf(error, row.state, now);
  const outOfSight = row.state.outOfSight ?? now;
  // What a cluster can't serve when it is back is new.
  const { unread, ...rest } = state;
  const known = OUTAGE_CODES.has(error.code) || !unread ? rest : { ...rest, unread };
  await deps.leases.saveCluster(row, { ...known, attempts, error: failure, outOfSight }, { dueAt: againAt });
  if (!isOfVault && (OUTAGE_CODES.has(error.code) || error.code === "OTHER_CONTROLLER")) {
    await circuits.open(new SyncError(error.code, error.message, { circuit: circuitOfCluster(row.name) }));
  }
  deps.log.warn("watch-pass-failed", { cluster: row.name, stage, code: error.code, message: error.message });
  return { kind: "done", againAt, error, isOutOfSight: true };
}
