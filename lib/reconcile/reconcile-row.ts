import { circuitOfCluster, suspensionOf } from "../circuits.ts";
import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { isCleanupKey, partsOf } from "../keys.ts";
import type { SyncKind } from "../kinds/kind.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { KeysMessage } from "../ports/queue.ts";
import type { Row } from "../ports/rows.ts";
import type { RolloutTarget } from "../ports/workloads.ts";
import { withReferences } from "../references/references.ts";
import { isOfVso, isReferenceStatus } from "../resource-kinds.ts";
import { worksBesideVso } from "../vso/stand-back/vso.ts";
import type { RunMode } from "./asking.ts";
import type { Batch } from "./batch.ts";
import { cleanUp, endRetired } from "./clean-up.ts";
import type { CoreDeps } from "./deps.ts";
import { endFormer, isOnlyEnding } from "./duties.ts";
import { runReferenceStatus } from "./reference-status.ts";
import { release } from "./release.ts";
import { renewRow } from "./renew-row.ts";
import type { Admitted } from "./run.ts";
import { isBeingDeleted, shouldRelease } from "./standing.ts";
import { syncOne } from "./sync-one.ts";

/** Brings one row to its declared state. Safe to call twice, late, or after the row was done. */
export async function reconcileRow(deps: CoreDeps, row: Row, message: KeysMessage, batch: Batch): Promise<void> {
  if (message.lane === "renew") return renewRow(deps, row, message.at, batch);
  const { cluster, kind: name } = partsOf(row.key);
  const mode = admit(row, message, deps.clock());
  if (mode === undefined) return;
  const settings = deps.fleet(cluster);
  if (isRetired(deps, row, settings)) return endRetired(deps, row, batch.signal);
  if (settings === undefined) return;
  if (shouldRelease(row)) return release(deps, row);
  const kind = deps.kinds.of(name);
  const isAway = await isSuspended(deps, row, settings, batch);
  if (isOnlyEnding(row))
    return endFormer(deps, row, isAway ? undefined : await workloads(row, settings, kind, batch), batch.signal);
  if (isAway) return;
  if (isBeingDeleted(row)) return mode.isDue ? cleanUp(deps, { row, settings, kind }, batch) : undefined;
  if (isReferenceStatus(row.key)) return runReferenceStatus(deps, row, settings, batch);
  if (kind === undefined) throw new Error(`no kind of that name: ${row.key}`);
  return runSync(deps, kind, { row, settings, mode }, batch);
}

function runSync(deps: CoreDeps, kind: SyncKind, admitted: Admitted, batch: Batch): Promise<void> {
  const { row, mode } = admitted;
  const since = mode.isDue ? row.dueAt : mode.at;
  deps.metrics.observe("keyferry_sync_delay_seconds", {}, Math.max(0, deps.clock() - (since ?? 0)) / SECOND_MS);
  return syncOne(deps, kind, admitted, batch);
}

/**
 * Its cluster, namespace or declaration left us, and only what it has in Vault is left. A declaration that came back and
 * was deleted then has a Secret as well, to be cleaned up.
 */
function isRetired(
  { isFleetIncomplete }: Pick<ReconcileDeps, "isFleetIncomplete">,
  { key, state }: Row,
  settings: ClusterSettings | undefined,
): boolean {
  if (!isCleanupKey(key)) return false;
  if (state.retainUntil !== undefined && state.owned.length === 0) return true;
  return settings === undefined && !isFleetIncomplete?.();
}

/** The workloads that may still use a former credential. */
async function workloads(
  { declared, state }: Row,
  cluster: ClusterSettings,
  kind: SyncKind | undefined,
  { references }: Batch,
): Promise<readonly RolloutTarget[] | undefined> {
  if (kind === undefined) return undefined;
  const { outcome } = await withReferences(
    references,
    (reference) => kind.resolve({ declared, cluster, reference }),
    state.refs,
  );
  return outcome instanceof SyncError ? undefined : outcome.rolloutTargets;
}

/** Whether and how to run a row: messages may come twice, late and out of order (lease-table 14). */
function admit(row: Row, { lane, at }: KeysMessage, readAt: EpochMs): RunMode | undefined {
  if (row.leaseUntil !== undefined && row.leaseUntil > readAt) return undefined;
  if (row.dueAt !== undefined && row.dueAt <= readAt) return { isDue: true, at, readAt };
  // The row is not due any more, so only messages of the wheel count. If one is older than a period, a newer one is on
  // its way (lease-table 13).
  if (lane !== "refresh" || row.wheel === undefined || isSettledSince(row, at, readAt)) return undefined;
  return readAt - at > row.wheel.period * SECOND_MS ? undefined : { isDue: false, at, readAt };
}

/**
 * A whole run ended after the message's time. So it is for each further message of a row that was due: read once more,
 * data that differs at every read would be written, and owe a restart, with each of them. A settle in the future, before
 * the clock was set back, hides none.
 */
function isSettledSince({ state: { settledAt } }: Row, at: EpochMs, now: EpochMs): boolean {
  return settledAt !== undefined && at <= settledAt && settledAt <= now;
}

/** A suspended row writes nothing: closing the circuit wakes it (lease-table 16). */
async function isSuspended(deps: ReconcileDeps, row: Row, settings: ClusterSettings, batch: Batch): Promise<boolean> {
  const { cluster, kind, namespace } = partsOf(row.key);
  const isAlone = worksBesideVso(settings, namespace) || !isOfVso(kind);
  const others = isAlone ? [] : [suspensionOf(cluster), suspensionOf(cluster, namespace)];
  if ((await batch.circuits.openAmong([circuitOfCluster(cluster), ...others])) === undefined) return false;
  deps.metrics.count("keyferry_syncs_waiting_total", { cluster });
  return true;
}
