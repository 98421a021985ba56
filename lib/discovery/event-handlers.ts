import { SyncError } from "../errors.ts";
import { partsOf, type ReferenceKey, type SyncKey, syncKey } from "../keys.ts";
import { isLeftToVso } from "../origins/handed-over.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Declared, Reference } from "../ports/rows.ts";
import type { Due, RowSummary } from "../ports/store.ts";
import type { KindRef } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import { recentWrite } from "../vso/stand-back/vso.ts";
import { declaredOf } from "./declared.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { isNewer } from "./drift.ts";
import { unlessBug } from "./guard.ts";
import type { OperatorGuard } from "./operator-guard.ts";
import { dropReference, nudgeDependents, takeReference } from "./references.ts";
import { bytesOf, type RowBudget } from "./row-budget.ts";
import type { MissingRows } from "./tombstone-missing.ts";
import type { VsoWatch } from "./vso-watch.ts";

/** How many rows of a page are written concurrently. */
const DECLARED_AT_ONCE = 100;

/** Turns the objects of one kind into rows, references or drift. */
export interface EventHandler {
  /** Starts a list. */
  list(): Listing;
  changed(object: SeenResource, signal: AbortSignal): Promise<void>;
  deleted(object: SeenResource): Promise<void>;
  /** The cluster does not serve this kind; that does not mean that its objects are gone (lease-table 18). */
  notServed(): Promise<void>;
}

/** A list, processed page by page: new and changed objects are written at once, and nothing else. */
export interface Listing {
  /** `listedAt`: the revision of the list. */
  page(items: readonly SeenResource[], signal: AbortSignal, listedAt?: string): Promise<void>;
  /** Call after the last page: objects in no page are missing. */
  end(signal: AbortSignal): Promise<void>;
}

export interface HandlerContext {
  readonly settings: ClusterSettings;
  /** Whether keyferry serves this namespace. */
  readonly isOurs: (namespace: string) => boolean;
  /** The namespace, when a list covers only one. */
  readonly scope: string | undefined;
  /** The name of the list, and of its cursor. */
  readonly list: string;
  /** What all lists of the watch pass lack. */
  readonly missing: MissingRows;
  readonly restores: number | undefined;
  /** The delay of a listed reference's status, in ms, because its own references are listed at the same time. */
  readonly statusAfterMs: number;
  /** The delay of a clean-up after its declaration was deleted, in ms. */
  readonly certainAfterMs: number;
  readonly budget: RowBudget;
}

/** Declarations of syncs. */
export function syncHandler(
  deps: DiscoveryDeps,
  kind: KindRef,
  context: HandlerContext & { readonly vso: VsoWatch },
): EventHandler {
  const { settings, isOurs, vso } = context;
  const keyOf = ({ namespace, name }: SeenResource): SyncKey =>
    syncKey({ cluster: settings.name, kind: kind.kind, namespace, name });
  const rowsOf = async (): Promise<readonly RowSummary[]> => {
    const all = await deps.leases.byCluster(settings.name);
    return all.filter((row) => isRowOf(row.key, kind.kind, context.scope));
  };
  return {
    list: () => listing(deps, kind, context, { vso, keyOf, rowsOf }),
    async changed(object, signal) {
      if (!isOurs(object.namespace)) return;
      const key = keyOf(object);
      const known = (await deps.leases.read([key], "strong")).get(key);
      if (isLeftToVso(kind.kind, object.annotations) && !known) return;
      await vso.see(known, object, kind, signal);
      const declared = await asItIs(deps, context, kind, object, known?.declared, signal);
      const due = declared && (await declareWithin(deps, context.budget, declared));
      if (due) await sendDue(deps.queue, [due], deps.clock());
    },
    async deleted(object) {
      if (!isOurs(object.namespace)) return;
      const due = await deps.leases.tombstone(keyOf(object), object.uid, deps.clock() + context.certainAfterMs);
      if (due) await sendDue(deps.queue, [due], deps.clock());
    },
    async notServed() {
      const rows = await rowsOf();
      if (rows.length === 0) return;
      throw new SyncError(
        "KUBE_REJECTED",
        `cluster ${settings.name} no longer serves ${kind.kind}: keyferry leaves its ${rows.length} Secrets alone`,
      );
    },
  };
}

interface SyncHandlerContext {
  readonly vso: VsoWatch;
  readonly keyOf: (object: SeenResource) => SyncKey;
  readonly rowsOf: () => Promise<readonly RowSummary[]>;
}

/** Stores a declaration within the row budget. */
async function declareWithin(deps: DiscoveryDeps, budget: RowBudget, declared: Declared): Promise<Due | undefined> {
  const bytes = bytesOf(declared);
  if (!(await budget.hasRoom(declared.key, bytes))) return undefined;
  const due = await deps.leases.declare(declared, deps.clock());
  if (due) budget.took(declared.key, bytes);
  return due;
}

function listing(
  deps: DiscoveryDeps,
  kind: KindRef,
  { settings, isOurs, restores, budget, list, missing }: HandlerContext,
  { vso, keyOf, rowsOf }: SyncHandlerContext,
): Listing {
  const seen = new Set<SyncKey>();
  const declare = (item: SeenResource): Promise<Due | undefined> => {
    seen.add(keyOf(item));
    const of = { cluster: settings.name, kind, object: item };
    return unlessBug(deps, of, async () => declareWithin(deps, budget, declaredOf(settings, kind, item, restores)));
  };
  return {
    async page(items, signal) {
      const all = items.filter((item) => isOurs(item.namespace));
      // Handed-over declarations are ignored, except for rows from before: reconcile releases them.
      const anyHandedOver = all.some(({ annotations }) => isLeftToVso(kind.kind, annotations));
      const rows = new Set(anyHandedOver ? (await rowsOf()).map(({ key }) => key) : []);
      const ours = all.filter((item) => !isLeftToVso(kind.kind, item.annotations) || rows.has(keyOf(item)));
      const dues: (Due | undefined)[] = [];
      for (const some of chunks(ours, DECLARED_AT_ONCE)) dues.push(...(await Promise.all(some.map(declare))));
      // First, because another controller must be noticed before any work begins.
      await seeOthers(deps, { vso, keyOf }, ours, kind, signal);
      await sendDue(
        deps.queue,
        dues.filter((due) => due !== undefined),
        deps.clock(),
      );
    },
    async end(signal) {
      const known = await rowsOf();
      const absent = known.filter((row) => !seen.has(row.key));
      await missing.take({ list, kind, absent, of: known.length }, signal);
    },
  };
}

/**
 * The event's object, unless the row is newer: after a crash old events come again, and must not restore an old version
 * or tombstone the declaration's successor. Then reads the current object.
 */
async function asItIs(
  deps: DiscoveryDeps,
  { settings, restores }: HandlerContext,
  kind: KindRef,
  object: SeenResource,
  known: Declared | undefined,
  signal: AbortSignal,
): Promise<Declared | undefined> {
  const declared = declaredOf(settings, kind, object, restores);
  if (!known) return declared;
  // Most events come from our own status writes.
  if (known.uid === declared.uid && known.hash === declared.hash) return undefined;
  if (!isNewer(known.seen.resourceVersion, object.resourceVersion)) return declared;
  const { namespace, name } = object;
  const found = await deps.resources.get({ cluster: settings.name, namespace, name, kind }, signal);
  return found && declaredOf(settings, kind, found, restores);
}

/**
 * A list may be long, but only writes of statuses reveal another controller: the newest ones in each namespace suffice.
 */
const SEEN_IN_A_NAMESPACE = 2;
/** The number of namespaces whose rows are read; some need a read of the cluster. */
const NAMESPACES_SEEN = 50;

async function seeOthers(
  deps: DiscoveryDeps,
  { vso, keyOf }: Pick<SyncHandlerContext, "vso" | "keyOf">,
  items: readonly SeenResource[],
  kind: KindRef,
  signal: AbortSignal,
): Promise<void> {
  const now = deps.clock();
  const at = ({ statusBy }: SeenResource): number => statusBy?.at ?? 0;
  const recent = items.filter((item) => recentWrite(item, now) !== undefined).sort((a, b) => at(b) - at(a));
  const byNamespace = [...Map.groupBy(recent, ({ namespace }) => namespace).values()].slice(0, NAMESPACES_SEEN);
  const newest = byNamespace.flatMap((some) => some.slice(0, SEEN_IN_A_NAMESPACE));
  if (newest.length === 0) return;
  const rows = await deps.leases.read(newest.map(keyOf), "strong");
  for (const item of newest) await vso.see(rows.get(keyOf(item)), item, kind, signal);
}

/** Whether this is the row of a declaration of that kind, and not a clean-up. */
export function isRowOf(key: SyncKey, kind: string, scope: string | undefined): boolean {
  if (key.includes("#")) return false;
  const parts = partsOf(key);
  return parts.kind === kind && (scope === undefined || parts.namespace === scope);
}

type ReferenceContext = HandlerContext & { readonly guard: OperatorGuard };

/** VaultAuth, VaultConnection and the like. */
export function referenceHandler(deps: DiscoveryDeps, kind: KindRef, context: ReferenceContext): EventHandler {
  const { settings, restores, guard, budget } = context;
  return {
    list: () => referenceList(deps, kind, context),
    async changed(object, signal) {
      await guard.check(kind, [object], signal);
      const { changed, due } = await takeReference(deps, { settings, restores, guard, budget }, kind, object, signal);
      if (due) await sendDue(deps.queue, [due], deps.clock());
      if (changed) await nudgeDependents(deps, settings.name, [changed]);
    },
    async deleted(object) {
      const key = await dropReference(deps, settings, kind, object);
      if (key) await nudgeDependents(deps, settings.name, [key]);
    },
    notServed: async () => undefined,
  };
}

/** One list of a kind of references: its pages, and then what it no longer has. */
function referenceList(deps: DiscoveryDeps, kind: KindRef, context: ReferenceContext): Listing {
  const { settings, scope, guard } = context;
  const changes: (ReferenceKey | undefined)[] = [];
  const seen = new Set<string>();
  let stored: Promise<ReadonlyMap<ReferenceKey, Reference>> | undefined;
  const storedBefore = () => {
    stored ??= deps.leases.referencesOf(settings.name).then((all) => new Map(all.map((one) => [one.key, one])));
    return stored;
  };
  return {
    async page(items, signal) {
      const dues: Due[] = [];
      await guard.check(kind, items, signal);
      const known = await storedBefore();
      for (const item of items) {
        seen.add(`${item.namespace}/${item.name}`);
        const of = { cluster: settings.name, kind, object: item };
        const taken = await unlessBug(deps, of, () => takeReference(deps, { ...context, known }, kind, item, signal));
        changes.push(taken?.changed);
        if (taken?.due) dues.push(taken.due);
      }
      await sendDue(deps.queue, dues, deps.clock());
    },
    async end() {
      for (const { key, uid } of (await storedBefore()).values()) {
        const parts = partsOf(key);
        const isOfKind = parts.kind === kind.kind && (scope === undefined || parts.namespace === scope);
        if (isOfKind && !seen.has(`${parts.namespace}/${parts.name}`)) {
          changes.push(await dropReference(deps, settings, kind, { ...parts, uid }));
        }
      }
      await nudgeDependents(
        deps,
        settings.name,
        changes.filter((key) => key !== undefined),
      );
    },
  };
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}
