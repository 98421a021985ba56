import { isDeepStrictEqual } from "node:util";
import { circuitOfCluster } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { DISPOSITIONS, OUTAGE_CODES, SyncError } from "../errors.ts";
import type { CircuitOpener } from "../outage/circuit.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterRow, ClusterState, MacKeySeen, OperatorSeen } from "../ports/store.ts";
import { mustBeOurs, observeOperator, operatorWarning } from "../references/operator-namespace.ts";
import { backOff } from "../schedule/back-off.ts";
import { type Tasks, tasks } from "../tasks.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { type DriftWatch, driftWatch } from "./drift.ts";
import type { Progress } from "./list-and-watch.ts";
import { macKeyOf } from "./mac-key.ts";
import { operatorGuard } from "./operator-guard.ts";
import { rowBudget } from "./row-budget.ts";
import { errorOf, type Sight, sightless, sightOf } from "./sight.ts";
import { startingPoint } from "./starting-point.ts";
import { noticeVso, type VsoWatch, vsoWatch } from "./vso-watch.ts";
import { watchAll } from "./watch-all.ts";
import { watchTargets } from "./watch-targets.ts";

/** A dead cluster is looked at so often at least; it costs one time-out each time. */
const MAX_PAUSE_MS = 5 * MINUTE_MS;
/** The lease on a cluster's row outlasts the watch by this. */
const LEASE_SLACK_MS = 60 * SECOND_MS;
/** From the start of one watch pass to the next, when a watch pass could not watch; and otherwise. */
const MAX_GAP_MS = 30 * SECOND_MS;
const SHORTEST_PASS_MS = SECOND_MS;
/** How often a watch stores how far it came. */
const SAVE_AGAIN_MS = 5 * SECOND_MS;
/** How often what was seen under a claim is checked again. */
const DEFERRED_AGAIN_MS = 200;

export interface WatchPassOptions {
  /** How long to stay and watch, in s. 0: one watch pass, then done. */
  readonly seconds: number;
  /** When to look again after a watch pass that ended well. */
  readonly againMs: number;
  /** Ask whether the cluster's revision is behind our cursors: a restored etcd is silent (lease-table 20). */
  readonly probeRevision: boolean;
  readonly acceptMissing: boolean;
  /** Everything that the cluster declares was taken in; from here on it is watched. */
  readonly onListed?: () => void;
  /** Waits, and ends early with the signal. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export type WatchPassOutcome =
  | { readonly kind: "done"; readonly againAt: EpochMs; readonly error?: SyncError; readonly isOutOfSight?: true }
  /** Another worker looks at this cluster. */
  | { readonly kind: "claimed"; readonly againAt: EpochMs };

/** Changes of one cluster since the last watch pass: declarations become rows, what is gone becomes clean-ups, drift becomes nudges. */
export async function runWatchPass(
  deps: DiscoveryDeps,
  circuits: CircuitOpener,
  settings: ClusterSettings,
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<WatchPassOutcome> {
  const startedAt = deps.clock();
  const until = startedAt + options.seconds * SECOND_MS + LEASE_SLACK_MS;
  const row = await deps.leases.claimCluster(settings.name, { now: startedAt, until });
  if (!row) return { kind: "claimed", againAt: startedAt + 5 * SECOND_MS };
  const sight: Sight = { state: row.state };
  try {
    await runStages(deps, circuits, settings, { ...row, leaseUntil: until }, sight, options, signal);
    const { state, error } = sight;
    if (error && OUTAGE_CODES.has(error.code)) throw error;
    const againAt = Math.max(deps.clock() + options.againMs, startedAt + pauseAfter(state, error, deps.random));
    const isSaved = await deps.leases.saveCluster(row, state, { dueAt: againAt });
    if (!isSaved) deps.log.warn("cluster-lease-lost", { cluster: settings.name });
    return { kind: "done", againAt, ...(error ? { error } : {}), ...sightless(state) };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return saveFailedPass(deps, circuits, row, sight.state, error, signal.aborted);
  }
}

/** A watch pass that had to end at once, since nothing may be read or nothing is there to watch, is not repeated at once. */
function pauseAfter(
  { attempts, cursors }: ClusterState,
  error: SyncError | undefined,
  random: DiscoveryDeps["random"],
): number {
  if (error) {
    return Math.min(backOff({ disposition: DISPOSITIONS[error.code], attempts }, random) ?? MAX_GAP_MS, MAX_GAP_MS);
  }
  return Object.keys(cursors).length === 0 ? MAX_GAP_MS : SHORTEST_PASS_MS;
}

/** The one way out for a watch pass that failed: the error goes on the cluster's row, an outage on its circuit. */
async function saveFailedPass(
  deps: DiscoveryDeps,
  circuits: CircuitOpener,
  row: ClusterRow,
  state: ClusterState,
  error: SyncError,
  isStopping: boolean,
): Promise<WatchPassOutcome> {
  const now = deps.clock();
  if (isStopping) {
    await deps.leases.saveCluster(row, state, { dueAt: now });
    // Nothing was learnt of it.
    return { kind: "done", againAt: now };
  }
  const attempts = row.state.attempts + 1;
  const pause = backOff({ disposition: error.disposition, attempts }, deps.random) ?? MAX_PAUSE_MS;
  const againAt = now + Math.max(SECOND_MS, Math.min(pause, MAX_PAUSE_MS));
  const failure = errorOf(error, row.state, now);
  const outOfSight = row.state.outOfSight ?? now;
  await deps.leases.saveCluster(row, { ...state, attempts, error: failure, outOfSight }, { dueAt: againAt });
  if (OUTAGE_CODES.has(error.code) || error.code === "OTHER_CONTROLLER") {
    await circuits.open(new SyncError(error.code, error.message, { circuit: circuitOfCluster(row.name) }));
  }
  deps.log.warn("watch-pass-failed", { cluster: row.name, code: error.code, message: error.message });
  return { kind: "done", againAt, error, isOutOfSight: true };
}

async function runStages(
  deps: DiscoveryDeps,
  circuits: CircuitOpener,
  settings: ClusterSettings,
  row: ClusterRow,
  sight: Sight,
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<void> {
  const uid = await deps.clusters.identity(settings.name, signal);
  const operator = await operatorOf(deps, settings, row, uid, sight, signal);
  const isAlone = await noticeVso(deps, circuits, settings, operator, signal);
  const vso = vsoWatch(deps, {
    settings,
    operator,
    circuits,
    before: row.state.vsoIn,
    save: async (seen) =>
      void (await deps.leases.saveCluster(row, { ...sight.state, vsoIn: seen }, { until: leaseEnd(deps, row) })),
  });
  const started = await startingPoint(deps, settings, row.state, { uid, operator }, options, signal);
  const before = isAlone ? await withMacKey(deps, settings, row, { started, sight }, signal) : started;
  const drift = driftWatch(deps, settings.name);
  const budget = rowBudget(deps, settings.name, before.kept);
  const targets = watchTargets(
    deps,
    settings,
    { drift, vso, budget, guard: operatorGuard(deps, settings, operator) },
    options,
    before.restores,
  );
  const progressOf = new Map<string, Progress>();
  const keep = (): void =>
    void Object.assign(sight, sightOf({ ...before, ...seenOf(vso) }, { progressOf, budget }, deps.clock()));
  const listed = Promise.withResolvers<void>();
  const onListed = (): void => {
    options.onListed?.();
    listed.resolve();
  };
  const done = new AbortController();
  const unlessDone = AbortSignal.any([signal, done.signal]);
  // What fails beside the watches ends them: the next watch pass begins with all of it.
  const beside: Tasks = tasks(() => done.abort());
  beside.add(checkDeferredAgain(deps, drift, options, unlessDone));
  const news = (): ClusterState | undefined => {
    keep();
    // What is held in memory only must be seen again after a crash.
    return drift.isDeferring() ? undefined : { ...sight.state, cursors: { ...before.cursors, ...sight.state.cursors } };
  };
  if (options.seconds > 0) beside.add(listed.promise.then(() => saveNews(deps, row, news, options, unlessDone)));
  try {
    const watchState = { cursors: before.cursors, progressOf, budget };
    await watchAll(deps, settings, targets, watchState, { ...options, onListed }, unlessDone);
  } finally {
    keep();
    done.abort();
    listed.resolve();
    await beside.allDone();
  }
  await drift.settleDeferred(true);
}

/** The operator namespace as it is now, on the cluster's row whatever becomes of the watch pass. */
async function operatorOf(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  { state }: ClusterRow,
  uid: string,
  sight: Sight,
  signal: AbortSignal,
): Promise<OperatorSeen> {
  const before = state.uid === undefined || state.uid === uid ? state.operator : undefined;
  const { seen, installation } = await observeOperator(deps, settings, before, { mark: true }, signal);
  sight.state = { ...sight.state, operator: seen };
  const warning = before?.without === seen.without ? undefined : operatorWarning(settings.name, seen);
  if (warning !== undefined) deps.log.warn("operator-namespace-without-powers", { cluster: settings.name, warning });
  mustBeOurs(deps, settings, installation);
  return seen;
}

async function withMacKey(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  row: ClusterRow,
  { started, sight }: { readonly started: ClusterState; readonly sight: Sight },
  signal: AbortSignal,
): Promise<ClusterState> {
  const save = (made: MacKeySeen): Promise<boolean> =>
    deps.leases.saveCluster(row, { ...sight.state, macKey: made }, { until: leaseEnd(deps, row) });
  const macKey = await macKeyOf(deps, { settings, state: started, save }, signal);
  if (macKey === undefined) return started;
  sight.state = { ...sight.state, macKey };
  return { ...started, macKey };
}

function seenOf(vso: VsoWatch): Pick<ClusterState, "vsoIn"> {
  const vsoIn = vso.latest();
  return Object.keys(vsoIn).length === 0 ? {} : { vsoIn };
}

function leaseEnd(deps: DiscoveryDeps, row: ClusterRow): EpochMs {
  return row.leaseUntil ?? deps.clock();
}

/** A watch may last: what is known is stored meanwhile, so that people see it and a crash repeats little. */
async function saveNews(
  deps: DiscoveryDeps,
  row: ClusterRow,
  news: () => ClusterState | undefined,
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<void> {
  for (let saved = row.state; !signal.aborted; ) {
    const state = news();
    if (state && !isDeepStrictEqual(state, saved)) {
      saved = state;
      // The save at the watch pass's end says what is wrong.
      await deps.leases.saveCluster(row, state, { until: leaseEnd(deps, row) }).catch(ignoreFailure);
    }
    await options.sleep(SAVE_AGAIN_MS, signal);
  }
}

function ignoreFailure(error: unknown): void {
  if (!(error instanceof SyncError)) throw error;
}

/** What was seen while its row was claimed is checked as soon as the row was settled (lease-table 22). */
async function checkDeferredAgain(
  deps: DiscoveryDeps,
  drift: DriftWatch,
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await options.sleep(DEFERRED_AGAIN_MS, signal);
    try {
      await drift.settleDeferred(false);
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      // It stays deferred, and is checked again.
      deps.log.warn("drift-not-classified", { code: error.code, message: error.message });
      await options.sleep(SAVE_AGAIN_MS, signal);
    }
  }
}
