import { type CheckedReference, checkReference } from "../declarations/check-reference.ts";
import { SyncError } from "../errors.ts";
import { clusterNamespaceOf, type ReferenceKey, type SyncKey } from "../keys.ts";
import { announceReference, seenAfter } from "../origins/announce.ts";
import { declaringResource } from "../origins/cluster.ts";
import type { Verdict } from "../origins/reference-status.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Row, RowState, StatusSeen } from "../ports/rows.ts";
import type { Circuit, Settlement } from "../ports/store.ts";
import type { Rendering } from "../ports/templates.ts";
import { withReferences } from "../references/references.ts";
import { verifyReferences } from "../references/verify-references.ts";
import { backOff } from "../schedule/back-off.ts";
import { isPlain } from "../transform/transformation.ts";
import type { Batch } from "./batch.ts";
import { claimOf } from "./claim.ts";
import { ownOutage } from "./own-outage.ts";
import { settleFailed, settleSynced } from "./settle.ts";

/** What is known of a reference before any request. */
interface Known {
  readonly row: Row;
  readonly refs: readonly ReferenceKey[];
  readonly checked: CheckedReference | SyncError;
  readonly merged?: boolean;
  /** Its Vault is out of reach. */
  readonly open: Circuit | undefined;
}

/**
 * Updates the status of a VaultConnection, VaultAuth or SecretTransformation. It has a row like a sync: claimed,
 * fenced, retried, and woken by changes of its references. It is never on the wheel, so that an unchanged resource
 * costs nothing.
 */
export async function runReferenceStatus(
  deps: ReconcileDeps,
  row: Row,
  settings: ClusterSettings,
  batch: Batch,
): Promise<void> {
  const known = await know(row, settings, batch);
  if (isToldAlready(known)) return;
  const claim = claimOf(deps, row);
  if (!(await claim.take())) return;
  const verdict = await verdictOf(deps, known, batch);
  const told = await writeReferenceStatus(deps, claim, verdict, batch);
  const state: RowState = {
    ...claim.row.state,
    refs: known.refs,
    ...referenceVault(known),
    ...seenAfter(claim.row, told.seen),
  };
  const error = told.error === undefined ? verdict.error : ownOutage(told.error);
  deps.metrics.ran?.({ key: row.key, at: deps.clock(), ...(error === undefined ? {} : { code: error.code }) });
  await claim.settle(settlementOf(deps, row, state, error, known.open), "verified");
  await verifyReferences(deps, known, batch);
}

async function know(row: Row, settings: ClusterSettings, batch: Batch): Promise<Known> {
  const { refs, outcome, merged } = await withReferences(batch.references, (reference) =>
    checkReference({ declared: row.declared, cluster: settings, reference }),
  );
  const circuit = outcome instanceof SyncError ? undefined : outcome.vault?.circuit;
  const open = await batch.circuits.openAmong([circuit]);
  return { row, refs, checked: outcome, open, ...(merged === undefined ? {} : { merged }) };
}

/** An outage is written once; closing the circuit wakes this row (lease-table 16). */
function isToldAlready({ row, checked, open }: Known): boolean {
  if (open === undefined || checked instanceof SyncError) return false;
  const { error, waitsFor, seen } = row.state;
  return error?.code === open.code && waitsFor === checked.vault?.circuit && seen?.hash === row.declared.hash;
}

/** A Vault's VaultConnections are found by its circuit. */
function referenceVault({ checked }: Known): Pick<RowState, "awaits" | "waitsFor"> {
  const circuit = checked instanceof SyncError ? undefined : checked.vault?.circuit;
  return circuit === undefined ? {} : { awaits: [`circuit:${circuit}`], waitsFor: circuit };
}

async function verdictOf(deps: ReconcileDeps, { row, checked, merged, open }: Known, batch: Batch): Promise<Verdict> {
  const available = merged === undefined ? {} : { merged };
  if (checked instanceof SyncError) return { error: checked, ...available };
  if (checked.rendering !== undefined) return rendered(deps, row.key, checked.rendering, batch);
  if (checked.vault === undefined) return { ...available, warnings: checked.warnings ?? [] };
  // A sealed Vault answers, which suffices for a connection.
  if (open?.code === "VAULT_UNAVAILABLE") return { error: new SyncError(open.code, open.message), isAsked: true };
  return reached(deps, row.key, checked.vault.target, batch);
}

/** Whether templates and patterns can be parsed; they are not rendered. */
async function rendered(deps: ReconcileDeps, key: SyncKey, rendering: Rendering, batch: Batch): Promise<Verdict> {
  try {
    if (!isPlain(rendering)) await deps.templates.render(rendering, clusterNamespaceOf(key), batch.signal);
    return {};
  } catch (error) {
    if (error instanceof SyncError) return { error };
    throw error;
  }
}

async function reached(
  deps: ReconcileDeps,
  key: SyncKey,
  target: NonNullable<CheckedReference["vault"]>["target"],
  batch: Batch,
): Promise<Verdict> {
  let isAsked = false;
  try {
    const trusted = await batch.ca.resolve(target, batch.signal);
    isAsked = true;
    await batch.atVault(key, trusted, () => deps.vault.reach(trusted, batch.signal));
    return { isAsked };
  } catch (error) {
    if (error instanceof SyncError) return { error, isAsked };
    throw error;
  }
}

/** A status that can't be written is a separate failure. */
async function writeReferenceStatus(
  deps: ReconcileDeps,
  claim: Claim,
  verdict: Verdict,
  batch: Batch,
): Promise<{ seen?: StatusSeen; error?: SyncError }> {
  try {
    const ref = declaringResource(claim.row);
    return { seen: (await announceReference(deps, ref, verdict, claim, batch.signal)).seen };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    deps.log.warn("status-not-written", { key: claim.row.key, code: error.code, message: error.message });
    return { error: await batch.circuits.classify(error, undefined, batch.signal) };
  }
}

/**
 * Under an open circuit the row waits for its close. Other failures are retried slowly: syncs notice outages sooner.
 */
function settlementOf(
  deps: ReconcileDeps,
  row: Row,
  state: RowState,
  error: SyncError | undefined,
  open: Circuit | undefined,
): Settlement {
  const now = deps.clock();
  const timing = { now, random: deps.random, dispatchedUntil: undefined };
  if (error === undefined) return settleSynced(row, state, "event", timing);
  const failed = settleFailed(state, error, timing);
  // Its own request opens no circuit, because no sync may need this Vault.
  if (open !== undefined || error.code !== "VAULT_UNAVAILABLE") return failed;
  const pause = backOff({ disposition: "recheck", attempts: failed.state.attempts }, deps.random) ?? 0;
  return { ...failed, schedule: { kind: "due", at: now + pause } };
}
