import { type Judged, judge } from "../declarations/judge.ts";
import { SyncError } from "../errors.ts";
import type { ReferenceKey, SyncKey } from "../keys.ts";
import { announceJudged } from "../origins/announce.ts";
import type { Verdict } from "../origins/judged-status.ts";
import { LEASE_MS, type ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Row, RowState, StatusSeen } from "../ports/rows.ts";
import type { Circuit, Lease, Settlement } from "../ports/store.ts";
import type { Rendering } from "../ports/templates.ts";
import type { Batch } from "../reconcile/reconcile.ts";
import { settleFailed, settleSynced } from "../reconcile/settle.ts";
import { backOff } from "../schedule/back-off.ts";
import { sendDue } from "../schedule/messages.ts";
import { isPlain } from "../transform/transformation.ts";
import { withReferences } from "./references.ts";

/** What is known of one resource before anybody is asked. */
interface Known {
  readonly row: Row;
  readonly refs: readonly ReferenceKey[];
  readonly judged: Judged | SyncError;
  readonly merged?: boolean;
  /** Its Vault is out of reach. */
  readonly open: Circuit | undefined;
}

/**
 * Brings the status of a VaultConnection, VaultAuth or SecretTransformation in step. Its row lives in the lease table like
 * that of a sync: claimed, fenced, tried again, woken when what it refers to changes; and it is never on the wheel, so that
 * a resource that does not change costs nothing.
 */
export async function judgeOne(deps: ReconcileDeps, row: Row, settings: ClusterSettings, batch: Batch): Promise<void> {
  const known = await know(row, settings, batch);
  if (isToldAlready(known)) return;
  const now = deps.clock();
  const claimed = await deps.leases.claim(row, { now, until: now + LEASE_MS });
  if (!claimed) return;
  if (claimed.row.declared.hash !== row.declared.hash) {
    await deps.leases.settle(claimed.lease, { state: row.state, schedule: { kind: "due", at: now }, now });
    return requeueAt(deps, row, now);
  }
  const verdict = await verdictOf(deps, known, batch);
  const told = await writeReferenceStatus(deps, claimed, verdict, batch);
  const state: RowState = {
    ...row.state,
    refs: known.refs,
    ...referenceVault(known),
    ...(told.seen === undefined ? {} : { seen: { ...told.seen, hash: row.declared.hash } }),
  };
  const error = told.error ?? verdict.error;
  const settlement = settlementOf(deps, row, state, error, known.open);
  deps.metrics.ran?.({ key: row.key, at: deps.clock(), ...(error === undefined ? {} : { code: error.code }) });
  if ((await deps.leases.settle(claimed.lease, settlement)) === "nudged") await requeueAt(deps, row, deps.clock());
}

async function know(row: Row, settings: ClusterSettings, batch: Batch): Promise<Known> {
  const { refs, outcome, merged } = await withReferences(batch.references, (reference) =>
    judge({ declared: row.declared, cluster: settings, reference }),
  );
  const circuit = outcome instanceof SyncError ? undefined : outcome.vault?.circuit;
  const open = await batch.circuits.openAmong([circuit]);
  return { row, refs, judged: outcome, open, ...(merged === undefined ? {} : { merged }) };
}

/** An outage is written once; who closes the circuit wakes this row (lease-table 16). */
function isToldAlready({ row, judged, open }: Known): boolean {
  if (open === undefined || judged instanceof SyncError) return false;
  const { error, waitsFor, seen } = row.state;
  return error?.code === open.code && waitsFor === judged.vault?.circuit && seen?.hash === row.declared.hash;
}

/** The VaultConnections of a Vault are found by its circuit. */
function referenceVault({ judged }: Known): Pick<RowState, "awaits" | "waitsFor"> {
  const circuit = judged instanceof SyncError ? undefined : judged.vault?.circuit;
  return circuit === undefined ? {} : { awaits: [`circuit:${circuit}`], waitsFor: circuit };
}

async function verdictOf(deps: ReconcileDeps, { row, judged, merged, open }: Known, batch: Batch): Promise<Verdict> {
  const available = merged === undefined ? {} : { merged };
  if (judged instanceof SyncError) return { error: judged, ...available };
  if (judged.rendering !== undefined) return rendered(deps, judged.rendering, batch);
  if (judged.vault === undefined) return { ...available, warnings: judged.warnings ?? [] };
  // A sealed Vault answers, and that is all that is asked of a connection.
  if (open?.code === "VAULT_UNAVAILABLE") return { error: new SyncError(open.code, open.message), isAsked: true };
  return reached(deps, row.key, judged.vault.target, batch);
}

/** Whether templates and patterns can be read; nothing is made of them. */
async function rendered(deps: ReconcileDeps, rendering: Rendering, batch: Batch): Promise<Verdict> {
  try {
    if (!isPlain(rendering)) await deps.templates.render(rendering, batch.signal);
    return {};
  } catch (error) {
    if (error instanceof SyncError) return { error };
    throw error;
  }
}

async function reached(
  deps: ReconcileDeps,
  key: SyncKey,
  target: NonNullable<Judged["vault"]>["target"],
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

/** A status that can't be written is a failure of its own. */
async function writeReferenceStatus(
  deps: ReconcileDeps,
  claimed: { readonly lease: Lease; readonly row: Row },
  verdict: Verdict,
  batch: Batch,
): Promise<{ seen?: StatusSeen; error?: SyncError }> {
  try {
    return { seen: (await announceJudged(deps, claimed.row, verdict, claimed.lease, batch.signal)).seen };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    deps.log.warn("status-not-written", { key: claimed.row.key, code: error.code, message: error.message });
    return { error: await batch.circuits.judged(error, undefined, batch.signal) };
  }
}

/** Under an open circuit it waits for who closes it. Else what failed is looked at again slowly: syncs notice outages sooner. */
function settlementOf(
  deps: ReconcileDeps,
  row: Row,
  state: RowState,
  error: SyncError | undefined,
  open: Circuit | undefined,
): Settlement {
  const now = deps.clock();
  const timing = { now, random: deps.random, dispatchedUntil: undefined };
  if (error === undefined) return settleSynced(row, state, undefined, timing);
  const failed = settleFailed(state, error, timing);
  // Asked on its own account, it opens no circuit: nobody may need this Vault.
  if (open !== undefined || error.code !== "VAULT_UNAVAILABLE") return failed;
  const pause = backOff({ disposition: "recheck", attempts: failed.state.attempts }, deps.random) ?? 0;
  return { ...failed, schedule: { kind: "due", at: now + pause } };
}

async function requeueAt(deps: ReconcileDeps, row: Row, at: number): Promise<void> {
  await sendDue(deps.queue, [{ key: row.key, group: row.declared.group, lane: "now", at }], deps.clock());
}
