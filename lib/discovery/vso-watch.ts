import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { isHandedOver } from "../origins/handed-over.ts";
import type { CircuitOpener } from "../outage/circuit.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Row } from "../ports/rows.ts";
import type { ClusterState, OperatorSeen, VsoSeen } from "../ports/store.ts";
import { hasPowers } from "../references/operator-namespace.ts";
import type { KindRef } from "../resource-kinds.ts";
import {
  hasLetGo,
  isSecond,
  suspended,
  suspendedIn,
  vsoAtWork,
  vsoMustBeGone,
  worksBesideVso,
  writeOfVso,
  writtenIn,
} from "../vso/stand-back/vso.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** Statuses are writable by many, so the cluster is read at most this often: for the lease, and for each namespace. */
const ASK_AGAIN_MS = 10 * SECOND_MS;
/**
 * A busy operator writes many statuses per second: they are reported at this interval, well before they expire after a
 * minute.
 */
const TELL_AGAIN_MS = 20 * SECOND_MS;
/** The maximum number of remembered namespaces, which are stored in the cluster's row. */
const MAX_NAMESPACES = 200;

type Writes = NonNullable<ClusterState["vsoIn"]>;

/** Notices another controller by the objects that are watched anyway (kubernetes-rules 24). */
export interface VsoWatch {
  /** Checks a declaration whose status another program may have written, with our row. */
  see(row: Row | undefined, object: SeenResource, kind: KindRef, signal: AbortSignal): Promise<void>;
  latest(): Writes;
}

export interface VsoWatchContext {
  readonly settings: ClusterSettings;
  readonly operator: OperatorSeen;
  readonly circuits: CircuitOpener;
  /** The findings of earlier watch passes. */
  readonly before: ClusterState["vsoIn"];
  /** Stores the findings, for the check whether VSO is gone. */
  readonly save: (seen: Writes) => Promise<void>;
}

type Deps = Pick<DiscoveryDeps, "clock" | "clusters" | "resources">;

/**
 * A status written by another program leads to a read of VSO's leader election lease, which only users with rights in
 * the operator namespace can hold: a held lease suspends the whole cluster. Without it a second write, confirmed by a
 * GET, proves another controller in that namespace, and suspends only that.
 */
export function vsoWatch(deps: Deps, context: VsoWatchContext): VsoWatch {
  const { settings, circuits } = context;
  const seen = new Map<string, VsoSeen>(stillTrue(context.before, deps.clock()));
  const lease = leaseOf(deps, context);
  const askedAt = new Map<string, EpochMs>();
  const toldAt = new Map<string, EpochMs>();
  const latest = (): Writes => Object.fromEntries(stillTrue(Object.fromEntries(seen), deps.clock()));

  const isDueAgain = (lastAt: Map<string, EpochMs>, namespace: string, pause: number): boolean => {
    const now = deps.clock();
    const last = lastAt.get(namespace);
    if (last !== undefined && now - last < pause) return false;
    lastAt.set(namespace, now);
    return true;
  };
  const suspend = async (namespace: string, proven: VsoSeen): Promise<void> => {
    seen.set(namespace, proven);
    if (!isDueAgain(toldAt, namespace, TELL_AGAIN_MS)) return;
    // Stored before it is reported, because the first probe reads it a second later.
    await context.save(latest());
    await circuits.open(suspendedIn(settings, namespace, proven.what));
  };
  const suspect = (namespace: string, write: VsoSeen): void => {
    for (const [name, { until }] of seen) if (until <= deps.clock()) seen.delete(name);
    if (seen.size < MAX_NAMESPACES) seen.set(namespace, write);
  };
  /** A further write in the same namespace counts only if a read of the object confirms it. */
  const confirm = async (
    first: VsoSeen,
    row: Row | undefined,
    object: SeenResource,
    kind: KindRef,
    signal: AbortSignal,
  ) => {
    const { namespace, name } = object;
    if (!isDueAgain(askedAt, namespace, ASK_AGAIN_MS)) return;
    const found = await deps.resources.get({ cluster: settings.name, namespace, name, kind }, signal);
    const again = found?.uid === object.uid ? writeOfVso(row, found, deps.clock()) : undefined;
    if (again && isSecond(first, again)) await suspend(namespace, { ...again, isProven: true });
  };
  const isOfConcern = ({ namespace, annotations }: SeenResource): boolean =>
    !worksBesideVso(settings, namespace) && !isHandedOver(annotations);
  return {
    latest,
    async see(row, object, kind, signal) {
      const { namespace } = object;
      const now = deps.clock();
      const write = isOfConcern(object) ? writeOfVso(row, object, now) : undefined;
      if (write === undefined || (await lease.explains(write, signal))) return;
      const first = writtenIn({ vsoIn: latest() }, namespace, now);
      if (first === undefined) return suspect(namespace, write);
      if (!isSecond(first, write)) return;
      const until = Math.max(first.until, write.until);
      if (first.isProven) await suspend(namespace, { ...write, until, isProven: true });
      else await confirm(first, row, object, kind, signal);
    },
  };
}

function stillTrue(vsoIn: ClusterState["vsoIn"] = {}, now: EpochMs): [string, VsoSeen][] {
  return Object.entries(vsoIn).filter(([namespace]) => writtenIn({ vsoIn }, namespace, now) !== undefined);
}

/** Reads the lease, at most at the interval above. */
function leaseOf(deps: Deps, { settings, operator, circuits }: VsoWatchContext) {
  const ask = async (signal: AbortSignal) =>
    hasPowers(operator) ? deps.clusters.vsoLease(settings.name, settings.operatorNamespace, signal) : undefined;
  let asked: { readonly at: EpochMs; readonly lease: ReturnType<typeof ask> } | undefined;
  return {
    /** Whether the lease explains the write: it is held, which suspends the whole cluster, or was released since. */
    async explains({ at }: VsoSeen, signal: AbortSignal): Promise<boolean> {
      const now = deps.clock();
      if (asked === undefined || now - asked.at >= ASK_AGAIN_MS || now < asked.at) {
        asked = { at: now, lease: ask(signal) };
        asked.lease.catch(() => {
          asked = undefined;
        });
      }
      const lease = await asked.lease;
      const what = vsoAtWork(lease, now);
      if (what !== undefined) await circuits.open(suspended(settings, what));
      return what !== undefined || hasLetGo(lease, at, now);
    },
  };
}

/**
 * Checks the lease before anything is processed: a VSO that holds it is at work, whether it has written or not. Returns
 * false then.
 */
export async function noticeVso(
  deps: Pick<DiscoveryDeps, "clusters" | "clock">,
  circuits: CircuitOpener,
  settings: ClusterSettings,
  operator: OperatorSeen,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await vsoMustBeGone(deps, settings, { operator }, signal);
    return true;
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "OTHER_CONTROLLER") throw error;
    await circuits.open(error);
    return false;
  }
}
