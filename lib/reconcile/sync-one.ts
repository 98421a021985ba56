import { causeOf } from "../causes.ts";
import { type EpochMs, SECOND_MS } from "../clock.ts";
import { type ResolvedStaticSecret, resolveStaticSecret } from "../declarations/resolve.ts";
import { secretMac } from "../digest.ts";
import { OUTAGE_CODES, SyncError } from "../errors.ts";
import type { ReferenceKey } from "../keys.ts";
import { sendDue } from "../schedule/messages.ts";
import type { Work } from "./act.ts";
import { type Announced, announce } from "./announce.ts";
import { askingOf, causePlaceOf, longestPauseOf, type Reached } from "./asking.ts";
import { SecretAwaited } from "./belonging.ts";
import { type Converged, converge, OLDER_AGAIN_MS, OlderAnswer } from "./converge.ts";
import { isCarriedOut } from "./decide.ts";
import { LEASE_MS, type ReconcileDeps } from "./deps.ts";
import type { ClusterSettings, Lease, NamedObject, Row, RowState, Settlement } from "./ports.ts";
import type { Batch } from "./reconcile.ts";
import { withReferences } from "./references.ts";
import { RecordFirst, type RolloutQuestion, rollOut } from "./rollout.ts";
import { type FailureContext, settleFailed, settleSynced, type Timing } from "./settle.ts";
import { report, settleRow } from "./settle-row.ts";
import { type Asking, asError, followAt, type KnownFailure, type Outcome } from "./shared-failures.ts";
import { type Ending, isToldIn } from "./status.ts";
import { warningsOf } from "./warnings.ts";

interface Turn extends Reached {
  readonly settings: ClusterSettings;
  /** Reached through the due index: claimed before Vault is read, and always settled (lease-table 2). */
  readonly isDue: boolean;
}

/** One sync on its way: the row as it was read, and the lease once it is held. */
interface Run {
  readonly row: Row;
  readonly turn: Turn;
  readonly refs: readonly ReferenceKey[];
  readonly resolved: ResolvedStaticSecret | SyncError;
  lease?: Lease;
  /** Set once this run has learned something that others may want to know. */
  outcome?: Outcome;
}

/** Resolve, claim, observe, decide, act, settle. In the steady state: one Vault read, no call to the cluster, nothing written. */
export async function syncOne(deps: ReconcileDeps, row: Row, turn: Turn, batch: Batch): Promise<void> {
  const run = await prepare(row, turn, batch);
  const startedAt = deps.clock();
  if (await mustWait(run, batch)) return wait(deps, run);
  if (turn.isDue && !(await take(deps, run))) return;
  const asking = askingOf(row, run.resolved, turn, startedAt);
  try {
    const known = await batch.shared.enter(asking, batch.signal);
    if (known !== undefined) return await follow(deps, run, { known, asking }, batch);
    const converged = await attempt(deps, run, asking, batch);
    // A status that an earlier version wrote, or of data whose templates write nothing new, catches up by itself, once.
    if (!run.lease && isUntold(run, converged)) await take(deps, run);
    if (run.lease) await settleConverged(deps, run, run.lease, converged, batch);
    else run.outcome = { kind: "well" };
    deps.metrics.count("keyferry_syncs_total", {
      cluster: turn.settings.name,
      result: run.lease ? "settled" : "unchanged",
    });
    report(deps, run.row, run.resolved);
  } catch (error) {
    await fail(deps, run, error, batch);
  } finally {
    deps.metrics.observe("keyferry_sync_duration_seconds", {}, (deps.clock() - startedAt) / SECOND_MS);
    await batch.shared.leave(asking, run.outcome);
  }
}

async function prepare(row: Row, turn: Turn, batch: Batch): Promise<Run> {
  const { refs, outcome } = await withReferences(
    batch.references,
    (reference) => resolveStaticSecret({ declared: row.declared, cluster: turn.settings, reference }),
    row.state.refs,
  );
  return { row, turn, refs, resolved: outcome };
}

async function attempt(deps: ReconcileDeps, run: Run, asking: Asking, batch: Batch): Promise<Converged> {
  if (run.resolved instanceof SyncError) throw run.resolved;
  const { resolved } = run;
  return converge(
    deps,
    {
      row: run.row,
      settings: run.turn.settings,
      resolved,
      sources: {
        read: (read, signal) =>
          batch.atVault(run.row.key, read.identity.target, () => batch.sources.read(read, signal)),
      },
      ...(asking.isAskedFor ? { since: asking.since } : {}),
      isHeld: () => run.lease !== undefined,
      hold: () => hold(deps, run),
    },
    batch.signal,
  );
}

/** Whether the status, as it was last written, lacks what holds now although there is nothing else to do. */
function isUntold({ row, resolved }: Run, { missing }: Converged): boolean {
  const { seen } = row.state;
  if (seen === undefined || seen.hash !== row.declared.hash || resolved instanceof SyncError) return false;
  return !isToldIn(seen.status, warningsOf(resolved, missing));
}

/** Asked of the Vault that the declaration names now: a corrected address must not wait for the wrong one. */
async function mustWait({ resolved }: Run, batch: Batch): Promise<boolean> {
  return !(resolved instanceof SyncError) && (await batch.circuits.openAmong([resolved.circuit])) !== undefined;
}

/** Takes the lease with the destination's name in it; false when another worker was faster, or the declaration changed. */
async function take(deps: ReconcileDeps, run: Run): Promise<boolean> {
  const now = deps.clock();
  const claimed = await deps.leases.claim(run.row, { now, until: now + LEASE_MS, owned: ownedAfter(run) });
  if (!claimed) return false;
  run.lease = claimed.lease;
  if (claimed.row.declared.hash === run.row.declared.hash) return true;
  // The declaration changed between read and claim: hand it back, due now, and take the new one next.
  await deps.leases.settle(claimed.lease, { state: run.row.state, schedule: { kind: "due", at: now }, now });
  await sendDue(deps.queue, [{ key: run.row.key, group: run.row.declared.group, lane: "now", at: now }], now);
  return false;
}

function ownedAfter(run: Run): RowState["owned"] {
  const { owned } = run.row.state;
  if (run.resolved instanceof SyncError || !run.resolved.destination.create) return owned;
  const { name } = run.resolved.destination;
  return owned.some((entry) => entry.name === name) ? owned : [...owned, { name }];
}

async function hold(deps: ReconcileDeps, run: Run): Promise<Lease> {
  if (run.lease) return run.lease;
  if (await take(deps, run)) {
    if (run.lease) return run.lease;
  }
  // Who loses the claim drops what it read; it saw a difference, so it asks for another look (lease-table 1).
  const due = await deps.leases.nudge(run.row.key, { now: deps.clock(), look: false });
  if (due) await sendDue(deps.queue, [due], deps.clock());
  throw new SyncError("LEASE_LOST", `another worker holds ${run.row.key}`);
}

async function settleConverged(
  deps: ReconcileDeps,
  run: Run,
  lease: Lease,
  { work, source, missing }: Converged,
  batch: Batch,
): Promise<void> {
  const { resolved } = run;
  if (resolved instanceof SyncError) throw resolved;
  const mac = resolved.hmac ? await batch.macKeys.of(run.turn.settings, batch.signal) : undefined;
  const rolled = await rollOut(deps, run.row, rolloutQuestion(deps, run, resolved, work), lease, batch.signal);
  const ending: Ending = {
    kind: "synced",
    ...(rolled.condition === undefined ? {} : { rollout: rolled.condition }),
    ...(mac === undefined ? {} : { mac: secretMac(mac, work.data) }),
    ...(work.wrote === undefined ? {} : { wrote: work.wrote }),
    warnings: warningsOf(resolved, missing),
  };
  const told = await tell(deps, run, ending, lease, batch);
  const { olderSince: _older, rollout: _rollout, ...before } = work.seen.row.state;
  const state: RowState = {
    ...before,
    ...rolled.state,
    refs: run.refs,
    source: resolved.source,
    vault: resolved.circuit,
    digest: work.seen.digest,
    doneHash: run.row.declared.hash,
    ...(source.version === undefined ? {} : { version: source.version }),
    ...(told.announced === undefined ? {} : { seen: { ...told.announced.seen, hash: run.row.declared.hash } }),
  };
  const timing = await timingOf(deps);
  // The data goes on being refreshed at its own pace, whoever else can't be told.
  const settlement = told.error
    ? settleFailed(state, told.error, timing, { longestMs: longestPauseOf(resolved) })
    : settleSynced(run.row, state, resolved.refreshAfterMs, timing);
  await settleRow(deps, run.row, lease, settlement);
  await batch.released.tell(run.turn.settings.name, prunedBy(run, work));
  run.outcome = { kind: "well" };
  if (work.wrote !== undefined) deps.log.info("secret-written", { key: run.row.key, because: work.wrote });
}

/** Secrets under former names: gone, or left to who else owns them. */
function prunedBy({ row }: Run, { seen, secret }: Work): readonly NamedObject[] {
  const kept = new Set(seen.row.state.owned.map(({ name }) => name));
  return row.state.owned.filter(({ name }) => !kept.has(name)).map(({ name }) => ({ ...secret, name }));
}

function rolloutQuestion(
  deps: ReconcileDeps,
  { row }: Run,
  { rolloutTargets }: ResolvedStaticSecret,
  { seen }: Work,
): RolloutQuestion {
  return {
    state: row.state,
    digest: seen.digest,
    key: deps.digestKey,
    targets: rolloutTargets,
    isAskedFor: row.look || !isCarriedOut(row),
    now: deps.clock(),
  };
}

/** The data is in step whatever becomes of the status: a status that can't be written is a failure of its own. */
async function tell(
  deps: ReconcileDeps,
  run: Run,
  ending: Ending,
  lease: Lease,
  batch: Batch,
): Promise<{ announced?: Announced; error?: SyncError }> {
  try {
    return { announced: await announce(deps, run.row, ending, lease, batch.signal) };
  } catch (error) {
    if (error instanceof SyncError) return { error };
    throw error;
  }
}

async function timingOf(deps: ReconcileDeps): Promise<Timing> {
  return { now: deps.clock(), random: deps.random, handedUntil: await deps.leases.handedUntil() };
}

/** The one way out for failure: it becomes a time in the row, a status on the resource, and for outages a circuit. */
async function fail(deps: ReconcileDeps, run: Run, thrown: unknown, batch: Batch): Promise<void> {
  const now = deps.clock();
  // Vault's answer is older than what was written: it is read again soon, under the row's own time (lease-table 9).
  if (thrown instanceof OlderAnswer) {
    return again(deps, run, { olderSince: run.row.state.olderSince ?? now }, now + OLDER_AGAIN_MS);
  }
  if (thrown instanceof RecordFirst) return again(deps, run, { rolledDigest: thrown.rolledDigest }, now);
  if (!(thrown instanceof SyncError)) throw thrown;
  const target = run.resolved instanceof SyncError ? undefined : run.resolved.read.identity.target;
  const error = await batch.circuits.judged(thrown, target, batch.signal);
  deps.metrics.count("keyferry_sync_errors_total", { cluster: run.turn.settings.name, code: error.code });
  if (error.code === "LEASE_LOST") return;
  report(deps, run.row, run.resolved, error);
  deps.log.warn("sync-failed", { key: run.row.key, code: error.code, message: error.message });
  // A wheel refresh that meets an outage writes nothing of its own: its next turn, or the closing circuit, comes back to it.
  if (OUTAGE_CODES.has(error.code) && !run.lease) return;
  const cause = causeOf(error, causePlaceOf(run.row, run.resolved));
  const settled = await settleFailure(deps, run, error, { cause, longestMs: longestPauseOf(run.resolved) }, batch);
  if (settled !== undefined) run.outcome = { kind: "failed", error, cause, nextAt: settled.state.error?.nextAt };
}

/** It asks nobody: what it would meet is known, and whoever asks next wakes it once it is mended. */
async function follow(
  deps: ReconcileDeps,
  run: Run,
  { known, asking }: { readonly known: KnownFailure; readonly asking: Asking },
  batch: Batch,
): Promise<void> {
  const { clock, random, metrics } = deps;
  metrics.count("keyferry_syncs_waiting_total", { cluster: run.turn.settings.name });
  const knownUntil = followAt(known, asking, { now: clock(), random });
  const context = { cause: known.cause, longestMs: asking.longestMs, knownUntil };
  const settled = await settleFailure(deps, run, asError(known, run.row.state.error), context, batch);
  if (settled !== undefined) run.outcome = { kind: "known", failure: known };
}

/** The failure on the row, and on the resource; undefined when another worker has the row. */
async function settleFailure(
  deps: ReconcileDeps,
  run: Run,
  error: SyncError,
  context: FailureContext,
  batch: Batch,
): Promise<Settlement | undefined> {
  if (!run.lease && !(await take(deps, run))) return undefined;
  const lease = run.lease;
  if (!lease) return undefined;
  const told = error.code === "DECLARATION_GONE" ? {} : await tell(deps, run, { kind: "failed", error }, lease, batch);
  const { hash } = run.row.declared;
  const state: RowState = {
    ...run.row.state,
    refs: run.refs,
    owned: recordAfter(run, error),
    ...placeOf(run),
    ...(told.announced === undefined ? {} : { seen: { ...told.announced.seen, hash } }),
  };
  const settlement = settleFailed(state, error, await timingOf(deps), context);
  await settleRow(deps, run.row, lease, settlement);
  return settlement;
}

function recordAfter(run: Run, error: SyncError): RowState["owned"] {
  return error instanceof SecretAwaited ? error.recordOf(ownedAfter(run)) : ownedAfter(run);
}

/** What the row says of where it reads, once that is known. */
function placeOf({ resolved }: Run): Pick<RowState, "source" | "vault"> {
  return resolved instanceof SyncError ? {} : { source: resolved.source, vault: resolved.circuit };
}

/** An outage is written once, and not here, but for the row's part in it; who closes the circuit wakes it (lease-table 16). */
async function wait(deps: ReconcileDeps, run: Run): Promise<void> {
  deps.metrics.count("keyferry_syncs_waiting_total", { cluster: run.turn.settings.name });
  const isKnown = run.row.state.vault === placeOf(run).vault;
  if (isKnown || !run.turn.isDue || !(await take(deps, run)) || !run.lease) return;
  const now = deps.clock();
  const state = { ...run.row.state, refs: run.refs, ...placeOf(run) };
  await deps.leases.settle(run.lease, { state, schedule: { kind: "due", at: now }, now });
}

/** Nothing was written yet: the row keeps what was learned, and the run begins anew. */
async function again(deps: ReconcileDeps, run: Run, learned: Partial<RowState>, at: EpochMs): Promise<void> {
  if (!run.lease && !(await take(deps, run))) return;
  if (!run.lease) return;
  const now = deps.clock();
  const state = { ...run.row.state, ...learned, refs: run.refs };
  await deps.leases.settle(run.lease, { state, schedule: { kind: "due", at }, now });
  await sendDue(deps.queue, [{ key: run.row.key, group: run.row.declared.group, lane: "now", at }], now);
}
