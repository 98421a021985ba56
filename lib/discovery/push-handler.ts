import { isPushed } from "../declarations/push/annotations.ts";
import { mountedSecrets } from "../declarations/push/sources.ts";
import { partsOf, type SyncKey, syncKey } from "../keys.ts";
import { PUSH_FINALIZER } from "../origins/annotated.ts";
import type { PushSettings } from "../ports/fleet-push.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Declared } from "../ports/rows.ts";
import type { Due, RowSummary } from "../ports/store.ts";
import type { KindRef, PushKind } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { type EventHandler, type HandlerContext, isRowOf } from "./event-handlers.ts";
import { unlessBug } from "./guard.ts";
import { declaredPush, glanceOf } from "./push-declared.ts";
import { bytesOf } from "./row-budget.ts";
import { tombstoneMissing } from "./tombstone-missing.ts";

export interface PushContext extends HandlerContext {
  readonly push: PushSettings;
}

/** How many objects whose whole content is known are remembered during one watch pass. */
const MAX_GLANCES = 20_000;

/** Objects of one kind whose annotations declare a push; they are followed by their metadata. */
export function pushHandler(deps: DiscoveryDeps, kind: KindRef, context: PushContext): EventHandler {
  const { settings, isOurs, scope } = context;
  const glances = new Map<string, string>();
  let rows: Promise<Set<SyncKey>> | undefined;
  const keyOf = ({ namespace, name }: SeenResource): SyncKey =>
    syncKey({ cluster: settings.name, kind: kind.kind, namespace, name });
  const rowsNow = async (): Promise<readonly RowSummary[]> =>
    (await deps.leases.byCluster(settings.name)).filter(({ key }) => isRowOf(key, kind.kind, scope));
  /** The keys that have a row, so that other objects cost nothing. */
  const known = (): Promise<Set<SyncKey>> => {
    rows ??= rowsNow().then((all) => new Set(all.map(({ key }) => key)));
    return rows;
  };
  const declare = async (object: SeenResource, before: Declared | undefined, signal: AbortSignal) => {
    const glance = glanceOf(object);
    if ((before !== undefined && glanceOf(before) === glance) || glances.get(object.uid) === glance) return undefined;
    const declared = await wholly(deps, kind, context, object, signal);
    if (declared === undefined) return undefined;
    if (glances.size < MAX_GLANCES) glances.set(object.uid, glance);
    return store(deps, context, declared);
  };
  /** Its annotation was removed: what it pushed is to be removed. */
  const undeclare = async (object: SeenResource): Promise<Due | undefined> => {
    const key = keyOf(object);
    if (!(await known()).delete(key)) return undefined;
    return deps.leases.tombstone(key, object.uid, deps.clock());
  };
  const take = async (object: SeenResource, before: Declared | undefined, signal: AbortSignal) => {
    if (!isPushed(object.annotations)) return undeclare(object);
    (await known()).add(keyOf(object));
    const due = await declare(object, before, signal);
    await releaseDeleted(deps, kind, context, object, signal);
    return due;
  };
  const guarded = (object: SeenResource, work: () => Promise<Due | undefined>): Promise<Due | undefined> =>
    unlessBug(deps, { cluster: settings.name, kind, object }, work);
  return {
    list() {
      const seen = new Set<SyncKey>();
      rows = undefined;
      return {
        async page(items, signal) {
          const ours = items.filter(({ namespace }) => isOurs(namespace));
          const keys = ours.filter(({ annotations }) => isPushed(annotations)).map(keyOf);
          const before = await deps.leases.read(keys, "strong");
          const dues: Due[] = [];
          for (const object of ours) {
            const key = keyOf(object);
            if (isPushed(object.annotations)) seen.add(key);
            const due = await guarded(object, () => take(object, before.get(key)?.declared, signal));
            if (due) dues.push(due);
          }
          await sendDue(deps.queue, dues, deps.clock());
        },
        async end(signal) {
          const all = await rowsNow();
          const absent = all.filter(({ key }) => !seen.has(key));
          return tombstoneMissing(deps, kind, absent, all.length, context.acceptMissing, signal);
        },
      };
    },
    async changed(object, signal) {
      if (!isOurs(object.namespace)) return;
      const key = keyOf(object);
      const isDeclared = isPushed(object.annotations);
      const before = isDeclared ? (await deps.leases.read([key], "strong")).get(key) : undefined;
      const due = await take(object, before?.declared, signal);
      if (due) await sendDue(deps.queue, [due], deps.clock());
    },
    async deleted(object) {
      if (!isOurs(object.namespace)) return;
      (await known()).delete(keyOf(object));
      const due = await deps.leases.tombstone(keyOf(object), object.uid, deps.clock() + context.certainAfterMs);
      if (due) await sendDue(deps.queue, [due], deps.clock());
    },
    // Its rows stay as they are: a kind that is not served proves nothing about its objects (lease-table 18).
    notServed: async () => undefined,
  };
}

/** With the Secrets that its pod template refers to; undefined: it is gone, or not annotated any more. */
async function wholly(
  deps: DiscoveryDeps,
  kind: KindRef,
  { settings, push, restores }: PushContext,
  object: SeenResource,
  signal: AbortSignal,
): Promise<Declared | undefined> {
  if (kind.kind === "Secret") return declaredPush(settings, kind, object, [], restores);
  const { namespace, name } = object;
  const whole = await deps.resources.get({ cluster: settings.name, namespace, name, kind }, signal);
  if (whole === undefined || whole.uid !== object.uid || !isPushed(whole.annotations)) return undefined;
  return declaredPush(settings, kind, whole, mountedSecrets(kind.kind as PushKind, whole.spec, push), restores);
}

async function store(deps: DiscoveryDeps, { budget }: PushContext, declared: Declared): Promise<Due | undefined> {
  const bytes = bytesOf(declared);
  if (!(await budget.hasRoom(declared.key, bytes))) return undefined;
  const due = await deps.leases.declare(declared, deps.clock());
  if (due) budget.took(declared.key, bytes);
  return due;
}

/** The row has the duty to clean up: a finalizer of Vault Sync Operator need not hold the object. */
async function releaseDeleted(
  deps: DiscoveryDeps,
  kind: KindRef,
  { settings }: PushContext,
  { deleting, finalizers, namespace, name }: SeenResource,
  signal: AbortSignal,
): Promise<void> {
  if (!deleting || !finalizers.includes(PUSH_FINALIZER)) return;
  await deps.resources.removeFinalizers({ cluster: settings.name, namespace, name, kind }, [PUSH_FINALIZER], signal);
}

/** The rows of annotated objects among these. */
export function isPushRow({ key }: Pick<RowSummary, "key">, kinds: readonly string[]): boolean {
  return kinds.includes(partsOf(key).kind);
}
