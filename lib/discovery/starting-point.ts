import { MINUTE_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import { namedNamespaces, namespaceMatcher, referenceNamespaces } from "../namespaces.ts";
import type { ListOptions } from "../ports/clusters.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterState, Cursor, OperatorSeen } from "../ports/store.ts";
import { hasPowers } from "../references/operator-namespace.ts";
import { type KindRef, kindNamed, pushingKind } from "../resource-kinds.ts";
import { sendTokenSweep } from "../schedule/messages.ts";
import { type DiscoveryDeps, OWNED_SELECTOR, REFERENCE_KINDS, SYNC_KINDS } from "./deps.ts";
import { isNewer } from "./drift.ts";
import type { WatchPassOptions } from "./pass.ts";
import { outOfTime, retire } from "./retire.ts";
import { renewalInDoubt, renewChanged } from "./settings-change.ts";
import { nudgeUntold, TOLD } from "./untold.ts";

/** A cursor without events for longer may belong to a restored cluster (lease-table 20). */
const SILENCE_MS = 3 * MINUTE_MS;

/** Of what fleet.yaml asks of a cluster: with another filter everything is listed. */
function filterOf(settings: ClusterSettings, operator: OperatorSeen): string {
  return fingerprint(
    JSON.stringify(settings.namespaces),
    settings.observe,
    settings.operatorNamespace,
    OWNED_SELECTOR,
    ...(settings.push === undefined ? [] : [JSON.stringify(settings.push)]),
    // Its defaults are processed again when they gain or lose their powers.
    ...(hasPowers(operator) ? [] : ["without"]),
  );
}

/**
 * The state without what is in doubt from now on, because fleet.yaml or the cluster is another one than at the last watch
 * pass. Stored before anything is released or nudged: if that is cut off, whatever fleet.yaml says then is done as a whole.
 */
export function inDoubt(
  state: ClusterState,
  settings: ClusterSettings,
  { uid, operator }: { readonly uid: string; readonly operator: OperatorSeen },
): ClusterState {
  const isAnother = state.uid !== undefined && state.uid !== uid;
  const isFiltered = state.filter !== undefined && state.filter !== filterOf(settings, operator);
  const known = renewalInDoubt(state, settings);
  if (!isAnother && !isFiltered) return known;
  const { filter: _filter, ...rest } = known;
  return { ...rest, cursors: {} };
}

/** Discards the cursors of another cluster, filter or later revision: everything is listed. */
export async function startingPoint(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  state: ClusterState,
  { uid, operator }: { readonly uid: string; readonly operator: OperatorSeen },
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<ClusterState> {
  const filter = filterOf(settings, operator);
  const isAnother = state.uid !== undefined && state.uid !== uid;
  const sameAs = isAnother || state.sameAs !== undefined ? await namesake(deps, settings, uid) : {};
  if (isAnother) await releaseAll(deps, settings, sameAs, signal);
  const isFiltered = state.filter !== filter;
  if (isFiltered) await releaseOthers(deps, settings, signal);
  const isDoubtful = options.probeRevision || state.attempts > 0 || isSilent(state, deps.clock());
  const isRestored = !isAnother && isDoubtful && (await isBehind(deps, settings, state, signal));
  if (isRestored) deps.log.warn("cluster-restored", { cluster: settings.name });
  await nudgeUntold(deps, settings.name, state);
  const ran = await renewChanged(deps, settings, state, options);
  const isFresh = isAnother || isFiltered || isRestored || options.acceptMissing;
  const known = isFresh ? unlisted(state) : state;
  // The watch stage updates what was seen of other controllers.
  const { besideVso: _before, vsoIn: _seen, sameAs: _other, formerUntil: _former, macKey, ...rest } = known;
  return {
    ...rest,
    ...ran,
    ...(settings.besideVso && { besideVso: settings.besideVso }),
    uid,
    ...sameAs,
    operator,
    ...(macKey && !isAnother ? { macKey } : {}),
    filter,
    told: TOLD,
    ...(isRestored ? { restores: (state.restores ?? 0) + 1 } : {}),
  };
}

/** With no word of its lists: each is read from its beginning. */
function unlisted({ unread: _unread, ...state }: ClusterState): ClusterState {
  return { ...state, cursors: {} };
}

/** Which other cluster has this uid now. */
async function namesake(
  { leases }: DiscoveryDeps,
  { name: cluster }: ClusterSettings,
  uid: string,
): Promise<Pick<ClusterState, "sameAs">> {
  const other = (await leases.clusters()).find(({ name, state }) => name !== cluster && state.uid === uid);
  return other === undefined ? {} : { sameAs: other.name };
}

/** The cluster was rebuilt under its name, and our Secrets are gone with the old one. */
async function releaseAll(
  deps: DiscoveryDeps,
  { name: cluster, vaults }: ClusterSettings,
  sameAs: Pick<ClusterState, "sameAs">,
  signal: AbortSignal,
): Promise<void> {
  deps.log.warn("cluster-replaced", { cluster, ...sameAs });
  await retire(deps, await deps.leases.byCluster(cluster), vaults, signal);
  await sendTokenSweep(deps.queue, cluster, deps.clock());
}

/** Releases namespaces that left the fleet file: Secrets stay, rows go (lease-table 18). */
async function releaseOthers(deps: DiscoveryDeps, settings: ClusterSettings, signal: AbortSignal): Promise<void> {
  const isOurs = namespaceMatcher(settings.namespaces);
  const all = await deps.leases.byCluster(settings.name);
  const left = all.filter(({ key }) => !isOurs(partsOf(key).namespace) || isPushedNoMore(settings, key));
  await retire(deps, left, settings.vaults, signal);
  for (const { key } of left) deps.log.info("declaration-released", { key });
  await sendTokenSweep(deps.queue, settings.name, deps.clock());
  const named = referenceNamespaces(settings);
  if (!named) return;
  // These references are no longer followed.
  const followed = new Set(named);
  const references = await deps.leases.referencesOf(settings.name);
  const others = references.filter(({ key }) => !followed.has(partsOf(key).namespace));
  for (const [at, { key }] of others.entries()) {
    if (signal.aborted) throw outOfTime(others.length - at, others.length, "references");
    await deps.leases.removeReference(key);
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
  const cursors = Object.entries(state.cursors);
  if (cursors.length === 0) return false;
  const scope = namedNamespaces(settings.namespaces) && { namespace: settings.operatorNamespace };
  for (const kind of [...REFERENCE_KINDS, ...SYNC_KINDS]) {
    const page = await deps.clusters.list(settings.name, kind, { ...ONE, ...scope }, undefined, signal);
    if (!page) continue;
    const ahead = cursors.filter(([, cursor]) => isNewer(cursor.resourceVersion, page.resourceVersion));
    return areAheadOfTheirKinds(deps, settings.name, ahead, signal);
  }
  return false;
}

const ONE = { metadataOnly: true, limit: 1 };

/** An API server may keep a kind in an etcd of its own, whose revisions say nothing of another kind's. */
async function areAheadOfTheirKinds(
  { clusters }: DiscoveryDeps,
  cluster: string,
  ahead: readonly (readonly [string, Cursor])[],
  signal: AbortSignal,
): Promise<boolean> {
  const asked = new Set<KindRef>();
  for (const [name, { resourceVersion }] of ahead.toSorted(([, a], [, b]) => newestFirst(a, b))) {
    const list = listOf(name);
    if (!list || asked.has(list.kind)) continue;
    asked.add(list.kind);
    const page = await unlessDenied(clusters.list(cluster, list.kind, list.options, undefined, signal));
    if (page && isNewer(resourceVersion, page.resourceVersion)) return true;
  }
  return false;
}

function newestFirst(a: Cursor, b: Cursor): number {
  return Number(isNewer(b.resourceVersion, a.resourceVersion)) - Number(isNewer(a.resourceVersion, b.resourceVersion));
}

/** What a cursor of this name has listed, by its kind and namespace. */
function listOf(cursor: string): { readonly kind: KindRef; readonly options: ListOptions } | undefined {
  const [, name = "", namespace, one] = /^(?:push:)?(\w+)(?:[/:]([^/:]+)(?:\/(.+))?)?/.exec(cursor) ?? [];
  const kind = kindNamed(name);
  return kind && { kind, options: { ...ONE, ...(namespace && { namespace }), ...(one && { name: one }) } };
}

/** A list that may not be read proves nothing, and its kind's watch tells of it. */
async function unlessDenied<T>(list: Promise<T>): Promise<T | undefined> {
  try {
    return await list;
  } catch (error) {
    if (error instanceof SyncError && error.code === "KUBE_DENIED") return undefined;
    throw error;
  }
}
