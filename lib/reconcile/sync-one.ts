import { SECOND_MS } from "../clock.ts";
import { type ResolvedStaticSecret, resolveStaticSecret } from "../declarations/resolve.ts";
import type { Work } from "../destinations/kubernetes-secret/act.ts";
import { isCarriedOut } from "../destinations/kubernetes-secret/decide.ts";
import { secretMac } from "../digest.ts";
import { SyncError } from "../errors.ts";
import { askingOf, longestPauseOf } from "../failures/asking.ts";
import type { Asking } from "../failures/shared-failures.ts";
import { ownStatic, type StaticState, staticState } from "../kinds/static/static-state.ts";
import { isToldIn, type RunOutcome } from "../origins/status.ts";
import { warningsOf } from "../origins/warnings.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { NamedObject } from "../ports/objects.ts";
import type { Row, RowState } from "../ports/rows.ts";
import type { Lease } from "../ports/store.ts";
import { withReferences } from "../references/references.ts";
import { type RolloutQuestion, rollOut } from "../rollout/rollout.ts";
import { type Converged, converge } from "./converge.ts";
import type { Batch } from "./reconcile.ts";
import { hold, type Run, type RunMode, take, timingOf, vaultSource, writeStatus } from "./run.ts";
import { fail, follow } from "./run-failed.ts";
import { settleFailed, settleSynced } from "./settle.ts";
import { report, settleRow } from "./settle-row.ts";

/** Resolve, claim, observe, decide, act, settle. In the steady state: one Vault read, no call to the cluster, nothing written. */
export async function syncOne(deps: ReconcileDeps, row: Row, mode: RunMode, batch: Batch): Promise<void> {
  const run = await prepare(row, mode, batch);
  const startedAt = deps.clock();
  if (await mustWait(run, batch)) return wait(deps, run);
  if (mode.isDue && !(await take(deps, run))) return;
  const asking = askingOf(row, run.resolved, mode, startedAt);
  try {
    const known = await batch.shared.enter(asking, batch.signal);
    if (known !== undefined) return await follow(deps, run, { known, asking }, batch);
    const converged = await attempt(deps, run, asking, batch);
    // A status that an earlier version wrote, or of data whose templates write nothing new, catches up by itself, once.
    if (!run.lease && isUntold(run, converged)) await take(deps, run);
    if (run.lease) await settleConverged(deps, run, run.lease, converged, batch);
    else run.outcome = { kind: "well" };
    deps.metrics.count("keyferry_syncs_total", {
      cluster: mode.settings.name,
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

async function prepare(row: Row, mode: RunMode, batch: Batch): Promise<Run> {
  const { refs, outcome } = await withReferences(
    batch.references,
    (reference) => resolveStaticSecret({ declared: row.declared, cluster: mode.settings, reference }),
    row.state.refs,
  );
  return { row, mode, refs, resolved: outcome };
}

async function attempt(deps: ReconcileDeps, run: Run, asking: Asking, batch: Batch): Promise<Converged> {
  if (run.resolved instanceof SyncError) throw run.resolved;
  const { resolved } = run;
  return converge(
    deps,
    {
      row: run.row,
      settings: run.mode.settings,
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

async function settleConverged(
  deps: ReconcileDeps,
  run: Run,
  lease: Lease,
  { work, source, missing }: Converged,
  batch: Batch,
): Promise<void> {
  const { resolved } = run;
  if (resolved instanceof SyncError) throw resolved;
  const mac = resolved.hmac ? await batch.macKeys.of(run.mode.settings, batch.signal) : undefined;
  const rolled = await rollOut(deps, run.row, rolloutQuestion(deps, run, resolved, work), lease, batch.signal);
  const ending: RunOutcome = {
    kind: "synced",
    ...(rolled.condition === undefined ? {} : { rollout: rolled.condition }),
    ...(mac === undefined ? {} : { mac: secretMac(mac, work.data) }),
    ...(work.wrote === undefined ? {} : { wrote: work.wrote }),
    warnings: warningsOf(resolved, missing),
  };
  const told = await writeStatus(deps, run, ending, lease, batch);
  const { own: _own, rollout: _rollout, ...before } = work.seen.row.state;
  const state: RowState = {
    ...before,
    ...rolled.state,
    refs: run.refs,
    place: resolved.place,
    waitsFor: resolved.circuit,
    digest: work.seen.digest,
    doneHash: run.row.declared.hash,
    ...ownStatic(source.version === undefined ? versionOf(work.seen.row) : { version: source.version }),
    ...(told.announced === undefined ? {} : { seen: { ...told.announced.seen, hash: run.row.declared.hash } }),
  };
  const timing = await timingOf(deps);
  // The data goes on being refreshed at its own pace, whoever else can't be told.
  const settlement = told.error
    ? settleFailed(state, told.error, timing, { longestMs: longestPauseOf(resolved) })
    : settleSynced(run.row, state, resolved.refreshAfterMs, timing);
  await settleRow(deps, run.row, lease, settlement);
  await batch.released.wakeRefused(run.mode.settings.name, prunedBy(run, work));
  run.outcome = { kind: "well" };
  if (work.wrote !== undefined) deps.log.info("secret-written", { key: run.row.key, because: work.wrote });
}

/** What is known of the version stays where the answer has none. */
function versionOf({ state }: Row): Pick<StaticState, "version"> {
  const { version } = staticState(state);
  return version === undefined ? {} : { version };
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
    isAskedFor: row.verify || !isCarriedOut(row),
    now: deps.clock(),
  };
}

/** An outage is written once, and not here, but for the row's part in it; who closes the circuit wakes it (lease-table 16). */
async function wait(deps: ReconcileDeps, run: Run): Promise<void> {
  deps.metrics.count("keyferry_syncs_waiting_total", { cluster: run.mode.settings.name });
  const isKnown = run.row.state.waitsFor === vaultSource(run).waitsFor;
  if (isKnown || !run.mode.isDue || !(await take(deps, run)) || !run.lease) return;
  const now = deps.clock();
  const state = { ...run.row.state, refs: run.refs, ...vaultSource(run) };
  await deps.leases.settle(run.lease, { state, schedule: { kind: "due", at: now }, now });
}
