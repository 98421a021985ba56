import { fingerprint } from "../digest.ts";
import { callSignal } from "../reconcile/deps.ts";
import type { ClusterSettings, ClusterState } from "../reconcile/ports.ts";
import { type DiscoveryDeps, OWNED_SELECTOR, REFERENCE_KINDS, SYNC_KINDS } from "./deps.ts";
import type { LookOptions } from "./look.ts";

/** Cursors of another cluster, another filter or a later revision are worth nothing: everything is listed. */
export async function startingPoint(
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
