import { MINUTE_MS } from "../clock.ts";
import { type ReferenceKey, referenceKey, syncKey } from "../keys.ts";
import { namespaceMatcher } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Reference } from "../ports/rows.ts";
import type { Due } from "../ports/store.ts";
import { nudgeReferring, pagesOf } from "../references/referring.ts";
import { type KindRef, REFERENCE_STATUS_KINDS } from "../resource-kinds.ts";
import { sendTokenSweep } from "../schedule/messages.ts";
import { declaredOf, referenceOf } from "./declared.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { OperatorGuard } from "./operator-guard.ts";
import { releaseDeleted } from "./release.ts";
import { bytesOf, type RowBudget } from "./row-budget.ts";

export interface Taken {
  /** The key, if the reference changed. */
  readonly changed?: ReferenceKey;
  /** A run for its status, if one is due. */
  readonly due?: Due;
}

export type KnownReferences = ReadonlyMap<ReferenceKey, Reference>;

export interface TakeContext {
  readonly settings: ClusterSettings;
  readonly restores?: number | undefined;
  /** For kinds with powers in the operator namespace. */
  readonly guard?: OperatorGuard;
  readonly budget: RowBudget;
  /** The stored references of the cluster, before a list of all of them. */
  readonly known?: KnownReferences;
  /** The delay of a status run, in ms: objects that refer to each other are processed concurrently. */
  readonly statusAfterMs?: number;
}

/** Stores a seen reference (lease-table 23). It needs no clean-up: VSO's finalizer is removed. */
export async function takeReference(
  deps: DiscoveryDeps,
  context: TakeContext,
  kind: KindRef,
  seen: SeenResource,
  signal: AbortSignal,
): Promise<Taken> {
  const taken = await storeReference(deps, context, kind, seen);
  const { finalizer } = kind;
  if (finalizer !== undefined) await releaseDeleted(deps, context.settings.name, kind, finalizer, seen, signal);
  return taken;
}

async function storeReference(
  deps: DiscoveryDeps,
  { settings, restores, guard, budget, known, statusAfterMs = 0 }: TakeContext,
  kind: KindRef,
  seen: SeenResource,
): Promise<Taken> {
  const reference = referenceOf(settings.name, kind, seen, guard?.isStranger(seen));
  const bytes = bytesOf(reference);
  const key = syncKey({ cluster: settings.name, kind: kind.kind, namespace: seen.namespace, name: seen.name });
  if (!(await budget.hasRoom(key, bytes))) return {};
  const before = (known ?? (await readOne(deps, reference.key))).get(reference.key);
  const isStored = before?.uid === reference.uid && before.hash === reference.hash;
  if (!isStored) await makeDependentsDue(deps, reference.key);
  const isChanged = await deps.leases.putReference(reference);
  if (isChanged) budget.took(key, bytes);
  const changed = isChanged ? { changed: reference.key } : {};
  if (!hasStatusHere(settings, kind, seen.namespace) || seen.deleting) return changed;
  // Also for a stored reference, because a crash may have come in between.
  const due = await deps.leases.declare(declaredOf(settings, kind, seen, restores), deps.clock() + statusAfterMs);
  return due === undefined ? changed : { ...changed, due };
}

/** Whether keyferry writes its status: in the fleet's namespaces, and in the operator's, whose defaults it uses. */
function hasStatusHere(settings: ClusterSettings, kind: KindRef, namespace: string): boolean {
  const isOurs = namespace === settings.operatorNamespace || namespaceMatcher(settings.namespaces)(namespace);
  return isOurs && REFERENCE_STATUS_KINDS.includes(kind);
}

export async function dropReference(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  kind: KindRef,
  seen: Pick<SeenResource, "namespace" | "name"> & { readonly uid?: string },
): Promise<ReferenceKey | undefined> {
  const { namespace, name, uid } = seen;
  const object = { cluster: settings.name, kind: kind.kind, namespace, name };
  const key = referenceKey(object);
  if ((await readOne(deps, key)).has(key)) await makeDependentsDue(deps, key);
  if (uid !== undefined && REFERENCE_STATUS_KINDS.includes(kind))
    await deps.leases.tombstone(syncKey(object), uid, deps.clock());
  return (await deps.leases.removeReference(key)) ? key : undefined;
}

/**
 * A followed Secret with credentials is gone. It stays known as gone, because a Secret that is not known may exist: the
 * token that it gave must serve nobody any more. Returns its key if it was known and not gone.
 */
export async function loseCredential(deps: DiscoveryDeps, key: ReferenceKey): Promise<ReferenceKey | undefined> {
  const before = (await readOne(deps, key)).get(key);
  if (before === undefined || before.isGone) return undefined;
  await makeDependentsDue(deps, key);
  const gone: Reference = { ...before, hash: "gone", labels: {}, annotations: {}, spec: {}, isGone: true };
  return (await deps.leases.putReference(gone)) ? key : undefined;
}

/** Far longer than it takes to store a reference, with a store that is slow: then these rows are nudged. */
const DUE_AFTER_MS = MINUTE_MS;
const MAX_TRIES = 3;

/**
 * Before a change is stored: if a crash comes in between, no event tells of the change any more, since it is stored. The
 * rows run with it then. Done again if it took so long that they may run before.
 */
async function makeDependentsDue({ leases, clock }: DiscoveryDeps, key: ReferenceKey): Promise<void> {
  for (let tries = 1; ; tries++) {
    const begunAt = clock();
    for await (const page of pagesOf((read) => leases.byReference(key, read)))
      await leases.nudgeAll(page, { now: clock() + DUE_AFTER_MS, verify: false });
    if (clock() - begunAt < DUE_AFTER_MS / 2 || tries === MAX_TRIES) return;
  }
}

function readOne({ leases }: DiscoveryDeps, key: ReferenceKey): Promise<KnownReferences> {
  return leases.references([key], "strong");
}

/**
 * Nudges every sync with one of these references, also while a reference is missing. A sync's references are stored
 * when it settles: a run that uses one for the first time checks afterwards whether it has changed meanwhile.
 */
export async function nudgeDependents(
  deps: DiscoveryDeps,
  cluster: string,
  changed: readonly ReferenceKey[],
): Promise<void> {
  if (changed.length === 0) return;
  await sendTokenSweep(deps.queue, cluster, deps.clock());
  for (const key of new Set(changed)) await nudgeReferring(deps, key, { verify: false, isOfReference: true });
}
