import { circuitOfCluster } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { OUTAGE_CODES, SyncError } from "../errors.ts";
import { partsOf } from "../keys.ts";
import { SECRET } from "../kinds.ts";
import { namedNamespaces, namespaceMatcher } from "../namespaces.ts";
import { type Circuits, mustBeOurs } from "../reconcile/circuit.ts";
import { callSignal } from "../reconcile/deps.ts";
import type { ClusterRow, ClusterSettings, ClusterState, Cursor, KindRef, ListOptions } from "../reconcile/ports.ts";
import { backOff } from "../schedule/back-off.ts";
import { type DiscoveryDeps, OWNED_SELECTOR, REFERENCE_KINDS, SYNC_KINDS } from "./deps.ts";
import { type DriftWatch, driftWatch } from "./drift.ts";
import { type Followed, follow } from "./follow.ts";
import { type Intake, type IntakeContext, referenceIntake, secretIntake, syncIntake } from "./intake.ts";

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
  const parts = partsToFollow(deps, settings, drift, options);
  const done = new AbortController();
  const judgeHeld = judgeHeldAgain(drift, options, AbortSignal.any([signal, done.signal]));
  const behind = new Set(parts.map((part) => part.name));
  // References are taken in before the syncs that name them, or each sync would fail once for want of them.
  const references = new Set(parts.filter((part) => part.isReference).map((part) => part.name));
  const referencesKnown = Promise.withResolvers<void>();
  const caughtUp = (name: string): void => {
    if (behind.delete(name) && behind.size === 0) options.onListed?.();
    if (references.delete(name) && references.size === 0) referencesKnown.resolve();
  };
  const followed = await Promise.all(
    parts.map(async (part): Promise<readonly [string, Followed]> => {
      const { name } = part;
      if (!part.isReference) await referencesKnown.promise;
      const cursor = before.cursors[name];
      const onCaughtUp = (): void => caughtUp(name);
      const input = { ...part, cluster: settings.name, cursor, seconds: options.seconds, onCaughtUp };
      return [part.name, await follow(deps, input, signal)];
    }),
  );
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

/** Cursors of another cluster, another filter or a later revision are worth nothing: everything is listed. */
async function startingPoint(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  state: ClusterState,
  uid: string,
  options: LookOptions,
  signal: AbortSignal,
): Promise<ClusterState> {
  const filter = fingerprint(
    JSON.stringify(settings.namespaces),
    settings.observe,
    settings.operatorNamespace,
    OWNED_SELECTOR,
  );
  const isAnother = state.uid !== undefined && state.uid !== uid;
  if (isAnother) await releaseAll(deps, settings.name);
  const isRestored = options.probeRevision && (await isBehind(deps, settings.name, state, signal));
  const isFresh = isAnother || state.filter !== filter || isRestored || options.acceptAbsence;
  if (isRestored) deps.log.warn("cluster-restored", { cluster: settings.name });
  return { ...state, uid, filter, cursors: isFresh ? {} : state.cursors };
}

/** The cluster was rebuilt under its name: what was written went with the old one. */
async function releaseAll(deps: DiscoveryDeps, cluster: string): Promise<void> {
  deps.log.warn("cluster-replaced", { cluster });
  for (const { key } of await deps.leases.byCluster(cluster)) await deps.leases.release(key);
}

/** After an etcd restore a watch from the future answers 200 and nothing; a list tells (lease-table 20, kubernetes-rules 12). */
async function isBehind(
  deps: DiscoveryDeps,
  cluster: string,
  state: ClusterState,
  signal: AbortSignal,
): Promise<boolean> {
  const cursors = Object.values(state.cursors).map((cursor) => BigInt(cursor.resourceVersion));
  if (cursors.length === 0) return false;
  for (const kind of [...REFERENCE_KINDS, ...SYNC_KINDS]) {
    const options = { metadataOnly: true, limit: 1 };
    const page = await deps.clusters.list(cluster, kind, options, undefined, callSignal(signal));
    if (page) return cursors.some((cursor) => cursor > BigInt(page.resourceVersion));
  }
  return false;
}

interface Part {
  readonly isReference: boolean;
  /** Name of its cursor. */
  readonly name: string;
  readonly kind: KindRef;
  readonly options: ListOptions;
  readonly intake: Intake;
}

/** Each kind, or each kind in each namespace when the fleet file names them one by one. */
function partsToFollow(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  drift: DriftWatch,
  options: LookOptions,
): readonly Part[] {
  const named = namedNamespaces(settings.namespaces);
  const isOurs = namespaceMatcher(settings.namespaces);
  const scopes = named ?? [undefined];
  const referenceScopes = named && [...new Set([...named, settings.operatorNamespace])];
  const part = (
    kind: KindRef,
    scope: string | undefined,
    intake: (context: IntakeContext) => Intake,
    more: Partial<ListOptions> = {},
  ): Part => ({
    isReference: REFERENCE_KINDS.includes(kind),
    name: scope === undefined ? kind.kind : `${kind.kind}/${scope}`,
    kind,
    options: { metadataOnly: false, ...more, ...(scope === undefined ? {} : { namespace: scope }) },
    intake: intake({ settings, isOurs, scope, acceptAbsence: options.acceptAbsence }),
  });
  const references = REFERENCE_KINDS.flatMap((kind) =>
    (referenceScopes ?? [undefined]).map((scope) =>
      part(kind, scope, (context) => referenceIntake(deps, kind, context)),
    ),
  );
  const syncs = SYNC_KINDS.flatMap((kind) =>
    scopes.map((scope) => part(kind, scope, (context) => syncIntake(deps, kind, context))),
  );
  const owned = { metadataOnly: true, labelSelector: OWNED_SELECTOR };
  const secrets =
    settings.observe === "watch"
      ? scopes.map((scope) => part(SECRET, scope, (context) => secretIntake(deps, drift, context), owned))
      : [];
  return [...references, ...syncs, ...secrets];
}

/** Each kind keeps its own cursor; a kind that may not be read is said, and does not keep the others back. */
function stateAfter(
  deps: DiscoveryDeps,
  before: ClusterState,
  followed: readonly (readonly [string, Followed])[],
  signal: AbortSignal,
): ClusterState {
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

/** Clusters that left the fleet are released: Secrets stay, rows go (lease-table 18). */
export async function releaseDeparted(deps: DiscoveryDeps, fleet: ReadonlySet<string>): Promise<void> {
  for (const { name } of await deps.leases.clusters()) {
    if (fleet.has(name)) continue;
    for (const { key } of await deps.leases.byCluster(name)) await deps.leases.release(key);
    for (const { key } of await deps.leases.referencesOf(name)) await deps.leases.removeReference(key);
    await deps.leases.removeCluster(name);
    deps.log.info("cluster-released", { cluster: name });
  }
}

/** The cluster that a sync key names. */
export function clusterOf(key: Parameters<typeof partsOf>[0]): string {
  return partsOf(key).cluster;
}
