import { removeIfOurs } from "../destinations/kubernetes-secret/act.ts";
import { SyncError } from "../errors.ts";
import { declarationKey, isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import { resourceOf } from "../origins/resource.ts";
import { LEASE_MS, type ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Row } from "../ports/rows.ts";
import type { Settlement } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import type { Batch } from "./reconcile.ts";
import { settleFailed } from "./settle.ts";

/** Finalizers that Vault Secrets Operator leaves on its resources: honoured, then removed; we add none. */
export const VSO_FINALIZERS: Readonly<Record<string, string>> = {
  VaultConnection: "vaultconnection.secrets.hashicorp.com/finalizer",
  VaultAuth: "vaultauth.secrets.hashicorp.com/finalizer",
  VaultStaticSecret: "vaultstaticsecret.secrets.hashicorp.com/finalizer",
  VaultDynamicSecret: "vaultdynamicsecret.secrets.hashicorp.com/finalizer",
  VaultPKISecret: "vaultpkisecrets.secrets.hashicorp.com/finalizer",
};

/** What a deleted declaration leaves behind goes: Secrets that are still ours, then a finalizer that VSO left. */
export async function cleanUp(deps: ReconcileDeps, row: Row, settings: ClusterSettings, batch: Batch): Promise<void> {
  const now = deps.clock();
  const claimed = await deps.leases.claim(row, { now, until: now + LEASE_MS });
  if (!claimed) return;
  const settlement = await removeAll(deps, claimed.row, settings, batch.signal);
  const outcome = await deps.leases.settle(claimed.lease, settlement);
  if (outcome === "nudged" || settlement.schedule.kind === "due") await requeue(deps, row, settlement);
  if (settlement.state.error !== undefined) return;
  if (isCleanupKey(row.key)) await wakeSuccessor(deps, row.key);
  const { cluster, namespace } = partsOf(row.key);
  const released = claimed.row.state.owned.map(({ name }) => ({ namespace, name }));
  await batch.released.wakeRefused(cluster, released);
}

async function requeue(deps: ReconcileDeps, row: Row, { schedule }: Settlement): Promise<void> {
  const at = schedule.kind === "due" ? schedule.at : deps.clock();
  await sendDue(deps.queue, [{ key: row.key, group: row.declared.group, lane: "now", at }], deps.clock());
}

/** A declaration that was made anew under the same name may wait for the Secret of the old one to go. */
async function wakeSuccessor(deps: ReconcileDeps, key: SyncKey): Promise<void> {
  const due = await deps.leases.nudge(declarationKey(key), { now: deps.clock(), verify: false });
  if (due) await sendDue(deps.queue, [due], deps.clock());
}

async function removeAll(
  deps: ReconcileDeps,
  row: Row,
  settings: ClusterSettings,
  signal: AbortSignal,
): Promise<Settlement> {
  try {
    const deletion = await deletionOf(deps, row, signal);
    if (deletion === "declared") return done(row, deps.clock());
    if (deletion === "gone") await removeOwned(deps, row, settings, signal);
    await releaseFinalizer(deps, row, signal);
    deps.log.info("declaration-cleaned-up", { key: row.key, secrets: row.state.owned.map((owned) => owned.name) });
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    if (!MEANS_GONE.has(error.code)) return failedCleanUp(deps, row, error);
  }
  return done(row, deps.clock());
}

/** The garbage collector's, on what is deleted with `--cascade=orphan`: it takes its owner references off before it lets it go. */
const ORPHAN_FINALIZER = "orphan";

/**
 * Nothing is removed before the cluster said by name that the declaration is gone, or being deleted. That the kind is
 * not served, or may not be read, says no such thing, and is thrown (lease-table 18). Where it is being deleted as the owner of
 * orphans its Secrets are released, whether the collector has come to them yet or not (kubernetes-rules 6).
 */
export async function deletionOf(
  { resources }: { readonly resources: Pick<ReconcileDeps["resources"], "get"> },
  row: Row,
  signal: AbortSignal,
): Promise<"declared" | "releasing" | "gone"> {
  if (row.state.owned.length === 0) return "gone";
  const found = await resources.get(resourceOf(row), signal);
  if (found === undefined || found.uid !== row.declared.uid) return "gone";
  if (!found.deleting) return "declared";
  return found.finalizers.includes(ORPHAN_FINALIZER) ? "releasing" : "gone";
}

/** The namespace took everything along, or is about to. */
const MEANS_GONE: ReadonlySet<string> = new Set(["NAMESPACE_MISSING", "NAMESPACE_TERMINATING"]);

async function removeOwned(
  deps: ReconcileDeps,
  row: Row,
  settings: ClusterSettings,
  signal: AbortSignal,
): Promise<void> {
  const { cluster, namespace, kind, name } = partsOf(row.key);
  const owner = { apiVersion: "secrets.hashicorp.com/v1beta1", kind, name, uid: row.declared.uid };
  for (const owned of row.state.owned) {
    const secret = { cluster, namespace, name: owned.name };
    await removeIfOurs(deps, secret, owner, settings.observe, signal);
  }
}

async function releaseFinalizer(deps: ReconcileDeps, row: Row, signal: AbortSignal): Promise<void> {
  const finalizer = VSO_FINALIZERS[partsOf(row.key).kind];
  if (isCleanupKey(row.key) || finalizer === undefined) return;
  await deps.resources.removeFinalizers(resourceOf(row), [finalizer], signal);
}

function failedCleanUp(deps: ReconcileDeps, row: Row, error: SyncError): Settlement {
  deps.log.warn("clean-up-failed", { key: row.key, code: error.code, message: error.message });
  return settleFailed(row.state, error, { now: deps.clock(), random: deps.random, dispatchedUntil: undefined });
}

/** A clean-up row goes, but not before the declaration's last lease ran out: its worker may still be writing (lease-table 8). */
function done(row: Row, now: number): Settlement {
  const { busyUntil } = row.state;
  if (!isCleanupKey(row.key)) return { state: { ...row.state, owned: [] }, schedule: { kind: "parked" }, now };
  if (busyUntil !== undefined && busyUntil > now) {
    return { state: row.state, schedule: { kind: "due", at: busyUntil }, now };
  }
  return { state: row.state, schedule: { kind: "gone" }, now };
}
