import { MINUTE_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { wakeForPaths } from "../failures/path-wake.ts";
import { retentionOf } from "../issues/retention.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import { namedNamespaces, namespaceMatcher, referenceNamespaces } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterState, OperatorSeen, RowSummary } from "../ports/store.ts";
import { hasPowers } from "../references/operator-namespace.ts";
import { pushingKind } from "../resource-kinds.ts";
import { sendDue, sendTokenSweep } from "../schedule/messages.ts";
import { type DiscoveryDeps, OWNED_SELECTOR, REFERENCE_KINDS, SYNC_KINDS } from "./deps.ts";
import type { WatchPassOptions } from "./pass.ts";
import { nudgeUntold, TOLD } from "./untold.ts";
import { placeAnew } from "./vault-names.ts";

/** A cursor without events for longer may belong to a restored cluster (lease-table 20). */
const SILENCE_MS = 3 * MINUTE_MS;

/** Discards the cursors of another cluster, filter or later revision: everything is listed. */
export async function startingPoint(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  state: ClusterState,
  { uid, operator }: { readonly uid: string; readonly operator: OperatorSeen },
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<ClusterState> {
  const filter = fingerprint(
    JSON.stringify(settings.namespaces),
    settings.observe,
    settings.operatorNamespace,
    OWNED_SELECTOR,
    ...(settings.push === undefined ? [] : [JSON.stringify(settings.push)]),
    // Its defaults are processed again when they gain or lose their powers.
    ...(hasPowers(operator) ? [] : ["without"]),
  );
  const isAnother = state.uid !== undefined && state.uid !== uid;
  if (isAnother) await releaseAll(deps, settings);
  const isFiltered = state.filter !== filter;
  if (isFiltered) {
    await releaseOthers(deps, settings);
    await nudgePushes(deps, settings.name);
  }
  const isDoubtful = options.probeRevision || state.attempts > 0 || isSilent(state, deps.clock());
  const isRestored = !isAnother && isDoubtful && (await isBehind(deps, settings, state, signal));
  if (isRestored) deps.log.warn("cluster-restored", { cluster: settings.name });
  await nudgeUntold(deps, settings.name, state);
  const names = await placeAnew(deps, settings, state);
  const isFresh = isAnother || isFiltered || isRestored || options.acceptMissing;
  // The watch stage updates what was seen of other controllers.
  const { besideVso: _before, vsoIn: _seen, vaultNames: _names, macKey, ...rest } = state;
  return {
    ...rest,
    ...names,
    ...(settings.besideVso && { besideVso: settings.besideVso }),
    uid,
    operator,
    ...(macKey && !isAnother ? { macKey } : {}),
    filter,
    told: TOLD,
    cursors: isFresh ? {} : state.cursors,
    ...(isRestored ? { restores: (state.restores ?? 0) + 1 } : {}),
  };
}

/** The cluster was rebuilt under its name, and our Secrets are gone with the old one. */
async function releaseAll(deps: DiscoveryDeps, { name: cluster, vaults }: ClusterSettings): Promise<void> {
  deps.log.warn("cluster-replaced", { cluster });
  await retireAll(deps, cluster, vaults);
  await sendTokenSweep(deps.queue, cluster, deps.clock());
}

type RetireDeps = Pick<DiscoveryDeps, "leases" | "queue" | "clock" | "log">;

type Vaults = ClusterSettings["vaults"];

async function retireAll(deps: RetireDeps, cluster: string, vaults: Vaults): Promise<void> {
  await retire(deps, await deps.leases.byCluster(cluster), vaults);
}

/** Rows whose states are held at the same time. */
const AT_ONCE = 200;

/**
 * Removes the rows; with Vault leases they stay as long as these do. What they pushed stays in Vault, and the rows that
 * wait for these paths are woken.
 */
async function retire(deps: RetireDeps, rows: readonly RowSummary[], vaults: Vaults): Promise<void> {
  const { leases, clock } = deps;
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    const some = rows.slice(from, from + AT_ONCE);
    const before = await leases.read(
      some.map(({ key }) => key),
      "strong",
    );
    for (const { key, waitsFor } of some) {
      const now = clock();
      await leases.retire(key, now + retentionOf(waitsFor, vaults), now);
    }
    await wakeForPaths(
      deps,
      [...before.values()].flatMap(({ state }) => state.pushed ?? []),
    );
  }
}

/** Releases namespaces that left the fleet file: Secrets stay, rows go (lease-table 18). */
async function releaseOthers(deps: DiscoveryDeps, settings: ClusterSettings): Promise<void> {
  const isOurs = namespaceMatcher(settings.namespaces);
  const all = await deps.leases.byCluster(settings.name);
  const left = all.filter(({ key }) => !isOurs(partsOf(key).namespace) || isPushedNoMore(settings, key));
  await retire(deps, left, settings.vaults);
  for (const { key } of left) deps.log.info("declaration-released", { key });
  await sendTokenSweep(deps.queue, settings.name, deps.clock());
  const named = referenceNamespaces(settings);
  if (!named) return;
  // These references are no longer followed.
  const followed = new Set(named);
  for (const { key } of await deps.leases.referencesOf(settings.name)) {
    if (!followed.has(partsOf(key).namespace)) await deps.leases.removeReference(key);
  }
}

/**
 * Its kind or namespace is not pushed any more: what it pushed stays in Vault, since nobody removed its annotations. No
 * watch would tell when the object goes.
 */
function isPushedNoMore({ push }: ClusterSettings, key: SyncKey): boolean {
  const { kind: name, namespace } = partsOf(key);
  const kind = pushingKind(name)?.kind;
  if (kind === undefined) return false;
  const isPushed =
    push?.kinds.some((pushed) => pushed === kind) === true && namespaceMatcher(push.namespaces)(namespace);
  return !isPushed;
}

/** What fleet.yaml allows is another thing now: each push runs again. */
async function nudgePushes({ leases, queue, clock }: DiscoveryDeps, cluster: string): Promise<void> {
  const keys = (await leases.byCluster(cluster)).map(({ key }) => key).filter((key) => pushingKind(partsOf(key).kind));
  await sendDue(queue, await leases.nudgeAll(keys, { now: clock(), verify: false }), clock());
}

function isSilent(state: ClusterState, now: number): boolean {
  return Object.values(state.cursors).some((cursor) => now - cursor.movedAt > SILENCE_MS);
}

/**
 * After an etcd restore a watch from the future answers 200 and stays silent; a list reveals it (lease-table 20,
 * kubernetes-rules 12).
 */
async function isBehind(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  state: ClusterState,
  signal: AbortSignal,
): Promise<boolean> {
  const cursors = Object.values(state.cursors).map((cursor) => BigInt(cursor.resourceVersion));
  if (cursors.length === 0) return false;
  const scope = namedNamespaces(settings.namespaces) && { namespace: settings.operatorNamespace };
  const options = { metadataOnly: true, limit: 1, ...scope };
  for (const kind of [...REFERENCE_KINDS, ...SYNC_KINDS]) {
    const page = await deps.clusters.list(settings.name, kind, options, undefined, signal);
    if (page) return cursors.some((cursor) => cursor > BigInt(page.resourceVersion));
  }
  return false;
}

/** Releases clusters that left the fleet: Secrets stay, rows go (lease-table 18). */
export async function releaseDeparted(
  deps: Pick<DiscoveryDeps, "leases" | "queue" | "clock" | "log">,
  fleet: readonly Pick<ClusterSettings, "name" | "vaults">[],
): Promise<void> {
  const names = new Set(fleet.map(({ name }) => name));
  // The same for all clusters.
  const vaults = fleet[0]?.vaults;
  for (const { name } of await deps.leases.clusters()) {
    if (names.has(name)) continue;
    await retireAll(deps, name, vaults);
    for (const { key } of await deps.leases.referencesOf(name)) await deps.leases.removeReference(key);
    await sendTokenSweep(deps.queue, name, deps.clock());
    await deps.leases.removeCluster(name);
    deps.log.info("cluster-released", { cluster: name });
  }
}
