import type { EpochMs } from "../clock.ts";
import { isPushed } from "../declarations/push/annotations.ts";
import { operatorIn, writtenVersions } from "../declarations/push/operator.ts";
import { type MountedSecret, mountedSecrets, storedSecrets } from "../declarations/push/sources.ts";
import { type SyncKey, syncKey } from "../keys.ts";
import { PUSH_FINALIZER } from "../origins/annotated.ts";
import type { PushSettings } from "../ports/fleet-push.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Declared, Row } from "../ports/rows.ts";
import type { Due, RowSummary } from "../ports/store.ts";
import type { AnnotatedKind, KindRef } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { type EventHandler, type HandlerContext, isRowOf } from "./event-handlers.ts";
import { unlessBug } from "./guard.ts";
import { declaredPush, glanceOf, isInStep } from "./push-declared.ts";
import { releaseDeleted } from "./release.ts";
import { bytesOf } from "./row-budget.ts";

export interface PushContext extends HandlerContext {
  readonly push: PushSettings;
}

/** How many objects whose whole content is known are remembered during one watch pass. */
const MAX_GLANCES = 20_000;

/** Turns objects of one kind into rows and clean-ups. Lives as long as a watch pass. */
interface Taker {
  keyOf(object: SeenResource): SyncKey;
  /** Every row of the kind, as the table has it now. */
  rowsNow(): Promise<readonly RowSummary[]>;
  /** `before`: what its row has of it. */
  take(object: SeenResource, before: Declared | undefined, signal: AbortSignal): Promise<Due | undefined>;
  /** Its declaration is gone: what it pushed is to be removed from then on. */
  tombstone(object: SeenResource, at: EpochMs): Promise<Due | undefined>;
}

function takerOf(deps: DiscoveryDeps, kind: KindRef, context: PushContext): Taker {
  const { settings, scope } = context;
  const glances = new Map<string, string>();
  let rows: Promise<Set<SyncKey>> | undefined;
  const keyOf: Taker["keyOf"] = ({ namespace, name }) =>
    syncKey({ cluster: settings.name, kind: kind.kind, namespace, name });
  const rowsNow: Taker["rowsNow"] = async () =>
    (await deps.leases.byCluster(settings.name)).filter(({ key }) => isRowOf(key, kind.kind, scope));
  /** The keys that have a row, so that other objects cost nothing. */
  const known = (): Promise<Set<SyncKey>> => {
    rows ??= rowsNow().then((all) => new Set(all.map(({ key }) => key)));
    return rows;
  };
  const tombstone: Taker["tombstone"] = async (object, at) => {
    glances.delete(object.uid);
    const isKnown = (await known()).delete(keyOf(object));
    return isKnown ? deps.leases.tombstone(keyOf(object), object.uid, at) : undefined;
  };
  const declare = async (object: SeenResource, before: Declared | undefined, signal: AbortSignal) => {
    const glance = glanceOf(object);
    if (glances.get(object.uid) === glance) return undefined;
    if (before !== undefined && isInStep(before, settings, kind, object, context.restores)) return undefined;
    const declared = await wholly(deps, kind, context, { object, before }, signal);
    if (declared === undefined) return undefined;
    const due = await store(deps, context, declared);
    // Not before it is stored: after a failure the object is looked at again.
    glances.delete(object.uid);
    if (glances.size < MAX_GLANCES) glances.set(object.uid, glance);
    return due;
  };
  return {
    keyOf,
    rowsNow,
    tombstone,
    async take(object, before, signal) {
      const isDeclared = isPushed(object.annotations);
      const due = isDeclared ? await declare(object, before, signal) : await tombstone(object, deps.clock());
      if (isDeclared) (await known()).add(keyOf(object));
      // The row or its clean-up has the duty, also where the annotation went first.
      await releaseDeleted(deps, settings.name, kind, PUSH_FINALIZER, object, signal);
      return due;
    },
  };
}

/** Objects of one kind whose annotations declare a push; they are followed by their metadata. */
export function pushHandler(deps: DiscoveryDeps, kind: KindRef, context: PushContext): EventHandler {
  const { settings, isOurs } = context;
  const taker = takerOf(deps, kind, context);
  const { keyOf } = taker;
  const send = async (...dues: readonly (Due | undefined)[]): Promise<void> => {
    const found = dues.filter((due) => due !== undefined);
    await sendDue(deps.queue, found, deps.clock());
  };
  return {
    list() {
      const seen = new Set<SyncKey>();
      return {
        async page(items, signal) {
          const ours = items.filter(({ namespace }) => isOurs(namespace));
          const keys = ours.filter(({ annotations }) => isPushed(annotations)).map(keyOf);
          const before = await deps.leases.read(keys, "strong");
          for (const key of keys) seen.add(key);
          for (const object of ours) {
            const of = { cluster: settings.name, kind, object };
            const row = before.get(keyOf(object));
            await send(await unlessBug(deps, of, () => taker.take(object, row?.declared, signal)));
            await send(await lookAgain(deps, row, object));
          }
        },
        async end(signal) {
          const all = await taker.rowsNow();
          const absent = all.filter(({ key }) => !seen.has(key));
          await context.missing.take({ list: context.list, kind, absent, of: all.length }, signal);
        },
      };
    },
    async changed(object, signal) {
      if (!isOurs(object.namespace)) return;
      const key = keyOf(object);
      const rows = isPushed(object.annotations) ? await deps.leases.read([key], "strong") : undefined;
      const row = rows?.get(key);
      await send(await taker.take(object, row?.declared, signal));
      await send(await lookAgain(deps, row, object));
    },
    async deleted(object) {
      if (isOurs(object.namespace)) await send(await taker.tombstone(object, deps.clock() + context.certainAfterMs));
    },
    // Its rows stay as they are: a kind that is not served proves nothing about its objects (lease-table 18).
    notServed: async () => undefined,
  };
}

/** Vault Sync Operator wrote to the object since its row pushed: the row decides what that means. */
async function lookAgain(deps: DiscoveryDeps, row: Row | undefined, object: SeenResource): Promise<Due | undefined> {
  const operator = operatorIn(row?.state.own);
  const versions = writtenVersions(object.annotations);
  if (row === undefined || operator === undefined || versions === "" || versions === operator.versions)
    return undefined;
  if (operator.atWork === row.declared.hash) return undefined;
  return deps.leases.nudge(row.key, { now: deps.clock(), verify: true });
}

/**
 * With the Secrets that its pod template refers to. Once it is gone, a clean-up goes by what was seen of it last, so that
 * this counts with the Secrets of `before`. Undefined: nothing is known of it, or it is not annotated any more.
 */
async function wholly(
  deps: DiscoveryDeps,
  kind: KindRef,
  { settings, push, restores }: PushContext,
  { object, before }: { readonly object: SeenResource; readonly before: Declared | undefined },
  signal: AbortSignal,
): Promise<Declared | undefined> {
  const declared = (seen: SeenResource, mounted: readonly MountedSecret[]) =>
    declaredPush(settings, kind, seen, mounted, restores);
  if (kind.kind === "Secret") return declared(object, []);
  const { namespace, name, uid } = object;
  const whole = await deps.resources.get({ cluster: settings.name, namespace, name, kind }, signal);
  if (whole?.uid !== uid) return before?.uid === uid ? declared(object, storedSecrets(before.spec)) : undefined;
  if (!isPushed(whole.annotations)) return undefined;
  return declared(whole, mountedSecrets(kind.kind as AnnotatedKind, whole.spec, push));
}

async function store(deps: DiscoveryDeps, { budget }: PushContext, declared: Declared): Promise<Due | undefined> {
  const bytes = bytesOf(declared);
  if (!(await budget.hasRoom(declared.key, bytes))) return undefined;
  const due = await deps.leases.declare(declared, deps.clock());
  if (due) budget.took(declared.key, bytes);
  return due;
}
