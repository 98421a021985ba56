import type { EpochMs } from "../clock.ts";
import { SecretAwaited } from "../destinations/kubernetes-secret/belonging.ts";
import { OUTAGE_CODES, SyncError } from "../errors.ts";
import { causePlaceOf, longestPauseOf } from "../failures/asking.ts";
import { causeOf } from "../failures/causes.ts";
import { type Asking, asError, followAt, type KnownFailure } from "../failures/shared-failures.ts";
import { ownStatic, staticState } from "../kinds/static/static-state.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { RowState } from "../ports/rows.ts";
import type { Settlement } from "../ports/store.ts";
import { RecordFirst } from "../rollout/rollout.ts";
import { sendDue } from "../schedule/messages.ts";
import { OLDER_AGAIN_MS, OlderAnswer } from "./converge.ts";
import type { Batch } from "./reconcile.ts";
import { ownedAfter, type Run, take, timingOf, vaultSource, writeStatus } from "./run.ts";
import { type FailureContext, settleFailed } from "./settle.ts";
import { report, settleRow } from "./settle-row.ts";

/** The one way out for failure: it becomes a time in the row, a status on the resource, and for outages a circuit. */
export async function fail(deps: ReconcileDeps, run: Run, thrown: unknown, batch: Batch): Promise<void> {
  const now = deps.clock();
  // Vault's answer is older than what was written: it is read again soon, under the row's own time (lease-table 9).
  if (thrown instanceof OlderAnswer) {
    const own = staticState(run.row.state);
    return retryAt(deps, run, ownStatic({ ...own, olderSince: own.olderSince ?? now }), now + OLDER_AGAIN_MS);
  }
  if (thrown instanceof RecordFirst) return retryAt(deps, run, { rolledDigest: thrown.rolledDigest }, now);
  if (!(thrown instanceof SyncError)) throw thrown;
  const target = run.resolved instanceof SyncError ? undefined : run.resolved.read.identity.target;
  const error = await batch.circuits.judged(thrown, target, batch.signal);
  deps.metrics.count("keyferry_sync_errors_total", { cluster: run.mode.settings.name, code: error.code });
  if (error.code === "LEASE_LOST") return;
  report(deps, run.row, run.resolved, error);
  deps.log.warn("sync-failed", { key: run.row.key, code: error.code, message: error.message });
  // A wheel refresh that meets an outage writes nothing of its own: its next refresh slot, or the closing circuit, comes back to it.
  if (OUTAGE_CODES.has(error.code) && !run.lease) return;
  const cause = causeOf(error, causePlaceOf(run.row, run.resolved));
  const settled = await settleFailure(deps, run, error, { cause, longestMs: longestPauseOf(run.resolved) }, batch);
  if (settled !== undefined) run.outcome = { kind: "failed", error, cause, nextAt: settled.state.error?.nextAt };
}

/** It asks nobody: what it would meet is known, and whoever asks next wakes it once it is mended. */
export async function follow(
  deps: ReconcileDeps,
  run: Run,
  { known, asking }: { readonly known: KnownFailure; readonly asking: Asking },
  batch: Batch,
): Promise<void> {
  const { clock, random, metrics } = deps;
  metrics.count("keyferry_syncs_waiting_total", { cluster: run.mode.settings.name });
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
  const told =
    error.code === "DECLARATION_GONE" ? {} : await writeStatus(deps, run, { kind: "failed", error }, lease, batch);
  const { hash } = run.row.declared;
  const state: RowState = {
    ...run.row.state,
    refs: run.refs,
    owned: recordAfter(run, error),
    ...vaultSource(run),
    ...(told.announced === undefined ? {} : { seen: { ...told.announced.seen, hash } }),
  };
  const settlement = settleFailed(state, error, await timingOf(deps), context);
  await settleRow(deps, run.row, lease, settlement);
  return settlement;
}

function recordAfter(run: Run, error: SyncError): RowState["owned"] {
  return error instanceof SecretAwaited ? error.recordOf(ownedAfter(run)) : ownedAfter(run);
}

/** Nothing was written yet: the row keeps what was learned, and the run begins anew. */
async function retryAt(deps: ReconcileDeps, run: Run, learned: Partial<RowState>, at: EpochMs): Promise<void> {
  if (!run.lease && !(await take(deps, run))) return;
  if (!run.lease) return;
  const now = deps.clock();
  const state = { ...run.row.state, ...learned, refs: run.refs };
  await deps.leases.settle(run.lease, { state, schedule: { kind: "due", at }, now });
  await sendDue(deps.queue, [{ key: run.row.key, group: run.row.declared.group, lane: "now", at }], now);
}
