import { circuitOfCluster } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { OUTAGE_CODES, SyncError } from "../errors.ts";
import { type Circuits, mustBeOurs } from "../reconcile/circuit.ts";
import { callSignal } from "../reconcile/deps.ts";
import type { ClusterRow, ClusterSettings, ClusterState, Cursor } from "../reconcile/ports.ts";
import { backOff } from "../schedule/back-off.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { type DriftWatch, driftWatch } from "./drift.ts";
import { type FollowedParts, followAll } from "./follow-all.ts";
import { partsToFollow } from "./parts.ts";
import { startingPoint } from "./starting-point.ts";

/** A dead cluster is looked at so often at least; it costs one time-out each time. */
const MAX_PAUSE_MS = 5 * MINUTE_MS;
/** The lease on a cluster's row outlasts the watch by this. */
const LEASE_SLACK_MS = 60 * SECOND_MS;
/** How often what was seen under a claim is judged again. */
const HELD_AGAIN_MS = 200;

export interface LookOptions {
  /** How long to stay and watch, in s. 0: one look, then done. */
  readonly seconds: number;
  /** When to look again after a look that ended well. */
  readonly againMs: number;
  /** Ask whether the cluster's revision is behind our cursors: a restored etcd is silent (lease-table 20). */
  readonly probeRevision: boolean;
  readonly acceptAbsence: boolean;
  /** Everything that the cluster declares was taken in; from here on it is watched. */
  readonly onListed?: () => void;
  /** Waits, and ends early with the signal. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export type LookOutcome =
  | { readonly kind: "looked"; readonly againAt: EpochMs; readonly error?: SyncError }
  /** Another worker looks at this cluster. */
  | { readonly kind: "held"; readonly againAt: EpochMs };

/** Changes of one cluster since the last look: declarations become rows, what is gone becomes clean-ups, drift becomes nudges. */
export async function look(
  deps: DiscoveryDeps,
  circuits: Circuits,
  settings: ClusterSettings,
  options: LookOptions,
  signal: AbortSignal,
): Promise<LookOutcome> {
  const now = deps.clock();
  const until = now + options.seconds * SECOND_MS + LEASE_SLACK_MS;
  const row = await deps.leases.claimCluster(settings.name, { now, until });
  if (!row) return { kind: "held", againAt: now + 5 * SECOND_MS };
  try {
    const state = await lookAt(deps, settings, row, options, signal);
    const againAt = deps.clock() + options.againMs;
    const isSaved = await deps.leases.saveCluster(row, state, { dueAt: againAt });
    if (!isSaved) deps.log.warn("cluster-lease-lost", { cluster: settings.name });
    return { kind: "looked", againAt };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return failed(deps, circuits, row, error, signal.aborted);
  }
}

/** The one way out for a look that failed: the error goes on the cluster's row, an outage on its circuit. */
async function failed(
  deps: DiscoveryDeps,
  circuits: Circuits,
  row: ClusterRow,
  error: SyncError,
  isStopping: boolean,
): Promise<LookOutcome> {
  const now = deps.clock();
  if (isStopping) {
    await deps.leases.saveCluster(row, row.state, { dueAt: now });
    return { kind: "looked", againAt: now };
  }
  const attempts = row.state.attempts + 1;
  const pause = backOff({ disposition: error.disposition, attempts }, deps.random) ?? MAX_PAUSE_MS;
  const againAt = now + Math.max(SECOND_MS, Math.min(pause, MAX_PAUSE_MS));
  const since = row.state.error?.code === error.code ? row.state.error.since : now;
  const failure = { code: error.code, message: error.message, since };
  await deps.leases.saveCluster(row, { ...row.state, attempts, error: failure }, { dueAt: againAt });
  if (OUTAGE_CODES.has(error.code) || error.code === "OTHER_CONTROLLER") {
    await circuits.open(new SyncError(error.code, error.message, { circuit: circuitOfCluster(row.name) }));
  }
  deps.log.warn("look-failed", { cluster: row.name, code: error.code, message: error.message });
  return { kind: "looked", againAt, error };
}

async function lookAt(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  row: ClusterRow,
  options: LookOptions,
  signal: AbortSignal,
): Promise<ClusterState> {
  const uid = await deps.clusters.identity(settings.name, callSignal(signal));
  await mustBeOurs(deps, settings.name, settings.operatorNamespace, callSignal(signal));
  const before = await startingPoint(deps, settings, row.state, uid, options, signal);
  const drift = driftWatch(deps, settings.name);
  const parts = partsToFollow(deps, settings, drift, options, before.restores);
  const done = new AbortController();
  const judgeHeld = judgeHeldAgain(drift, options, AbortSignal.any([signal, done.signal]));
  const followed = await followAll(deps, settings, parts, before.cursors, options, signal);
  done.abort();
  await judgeHeld;
  await drift.settleHeld(true);
  return stateAfter(deps, before, followed, signal);
}

/** What was seen while its row was claimed is judged as soon as the row was settled (lease-table 22). */
async function judgeHeldAgain(drift: DriftWatch, options: LookOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await options.sleep(HELD_AGAIN_MS, signal);
    await drift.settleHeld(false);
  }
}

/** Each kind keeps its own cursor; a kind that may not be read is said, and does not keep the others back. */
function stateAfter(
  deps: DiscoveryDeps,
  before: ClusterState,
  parts: FollowedParts,
  signal: AbortSignal,
): ClusterState {
  const followed = [...parts];
  const cursors: Record<string, Cursor> = {};
  for (const [name, { cursor }] of followed) if (cursor) cursors[name] = cursor;
  const errors = followed.map(([, { error }]) => error).filter((error) => error !== undefined);
  const outage = errors.find((error) => OUTAGE_CODES.has(error.code));
  if (outage && !signal.aborted) throw outage;
  const [first] = errors.filter((error) => error.code !== "DEADLINE_EXCEEDED");
  const held = followed.map(([, result]) => result.held).find((found) => found !== undefined);
  const { error: _error, held: _held, ...rest } = before;
  const now = deps.clock();
  return {
    ...rest,
    cursors,
    attempts: first ? before.attempts + 1 : 0,
    ...(first ? { error: { code: first.code, message: first.message, since: before.error?.since ?? now } } : {}),
    ...(held ? { held } : {}),
  };
}
