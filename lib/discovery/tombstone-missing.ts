import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { ClusterState, Due, RowSummary } from "../ports/store.ts";
import { isReferenceStatus, type KindRef } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { isOfAbort, toldIfTooLarge } from "./guard.ts";

/** If more declarations are gone in one watch pass, a person must confirm it (lease-table 18). */
const BELIEVED_COUNT = 10;
const BELIEVED_SHARE = 0.2;

export function isTooMany(gone: number, of: number): boolean {
  return gone > Math.max(BELIEVED_COUNT, of * BELIEVED_SHARE);
}

type Awaiting = NonNullable<ClusterState["awaitingApproval"]>;

/** A complete list, and the rows that it lacks. */
export interface Lacking {
  /** The name of its cursor. */
  readonly list: string;
  readonly kind: KindRef;
  readonly absent: readonly RowSummary[];
  /** How many rows it should have. */
  readonly of: number;
}

/**
 * The rows that the lists of one watch pass lack. They are handled together, because only all lists show how many are
 * gone: where namespaces are named, each has a list of its own.
 */
export interface MissingRows {
  /** Takes what a list lacks now, in place of what it lacked before. Removes it at once if that is approved. */
  take(lacking: Lacking, signal: AbortSignal): Promise<void>;
  /**
   * Reads each row's declaration by name, and tombstones those that are gone or have another uid. When too many are gone
   * at once, it tombstones none. `isWhole`: each list could be read; if not, what waited before waits on.
   */
  settle(isWhole: boolean, signal: AbortSignal): Promise<void>;
  /** Whether rows that this list lacks are still there: it must be read again. */
  isOpen(list: string): boolean;
  /** What a person must confirm; before it is known, as it was at the last watch pass. */
  awaiting(): Awaiting | undefined;
  /** Why some could not be handled. */
  problem(): SyncError | undefined;
}

interface Open extends Lacking {
  readonly awaiting?: Awaiting;
  readonly problem?: SyncError;
}

export function missingRows(
  deps: DiscoveryDeps,
  cluster: string,
  { isApproved, before }: { readonly isApproved: boolean; readonly before: Awaiting | undefined },
): MissingRows {
  const open = new Map<string, Open>();
  const tombstoned: Pick<Lacking, "list" | "kind">[] = [];
  const told = new Set<string>();
  /** While they wait, what was removed before they were counted still counts with them. */
  const removedBefore = before?.removed ?? 0;
  let isSettled = isApproved || before === undefined;

  const tombstone = (one: Lacking, signal: AbortSignal): Promise<void> =>
    tombstoneGone(deps, one, () => tombstoned.push(one), signal);
  /** Unless the list was read again meanwhile. */
  const put = (one: Open, next: Open | undefined): void => {
    if (open.get(one.list) !== one) return;
    if (next) open.set(one.list, next);
    else open.delete(one.list);
  };
  const hold = (one: Open, share: Share): void => {
    const { removed } = share;
    // What is removed awaits nothing.
    const [gone, of] = [share.gone - removed, share.of - removed];
    put(one, { ...one, awaiting: { since: deps.clock(), gone, of, ...(removed > 0 && { removed }) } });
    const kind = one.kind.kind;
    if (told.has(kind)) return;
    told.add(kind);
    deps.log.error("missing-awaiting-approval", { kind, gone, of, ...(removed > 0 && { removed }) });
    deps.metrics.count("keyferry_missing_awaiting_approval_total", { kind });
  };
  const remove = async (one: Open, signal: AbortSignal): Promise<void> => {
    try {
      await tombstone(one, signal);
      put(one, undefined);
    } catch (error) {
      isSettled = false;
      if (isOfAbort(error, signal)) return;
      if (!(error instanceof SyncError)) throw error;
      put(one, { ...one, problem: error });
    }
  };
  return {
    async take(lacking, signal) {
      open.delete(lacking.list);
      if (lacking.absent.length === 0) return;
      if (isApproved) return tombstone(lacking, signal);
      open.set(lacking.list, lacking);
      isSettled = false;
    },
    async settle(isWhole, signal) {
      if (isSettled || signal.aborted) return;
      isSettled = true;
      const rows = open.size === 0 ? new Map<SyncKey, string>() : await rowsOf(deps, cluster);
      const lists = [...open.values()].map(({ list, kind, absent, of }): Open => {
        // Others are gone by an event since, or were declared anew.
        const left = absent.filter(({ key, uid }) => rows.get(key) === uid);
        return { list, kind, absent: left, of };
      });
      for (const one of lists) open.set(one.list, one);
      const shares = sharesOf(lists, { tombstoned, removedBefore }, rows);
      // Many were gone before, and a list of some of them could not be read now.
      const isHeld = before !== undefined && !isWhole;
      const decided = lists.map((one) => {
        const [all, ...parts] = shares(one);
        const tooMany = [all, ...parts].find(({ gone, of }) => isTooMany(gone, of));
        return { one, tooMany: one.absent.length === 0 ? undefined : (tooMany ?? (isHeld ? all : undefined)) };
      });
      for (const { one, tooMany } of decided) {
        if (tooMany) hold(one, tooMany);
        else await remove(one, signal);
      }
      // All of them may be in that list.
      isSettled &&= !isHeld || open.size > 0;
    },
    isOpen: (list) => open.has(list),
    awaiting() {
      const all = [...open.values()].flatMap(({ awaiting }) => awaiting ?? []);
      const [most] = all.toSorted((a, b) => (b.removed ?? 0) - (a.removed ?? 0));
      return most ?? (isSettled ? undefined : before);
    },
    problem: () => [...open.values()].find(({ problem }) => problem !== undefined)?.problem,
  };
}

/** `onEach`: called for each that is tombstoned. */
async function tombstoneGone(
  deps: DiscoveryDeps,
  { kind, absent }: Lacking,
  onEach: () => void,
  signal: AbortSignal,
): Promise<void> {
  const dues: Due[] = [];
  for (const { key, uid } of absent) {
    const { cluster, namespace, name } = partsOf(key);
    const found = await deps.resources.get({ cluster, namespace, name, kind }, signal);
    if (found && found.uid === uid) continue;
    const due = await toldIfTooLarge(deps, key, () => deps.leases.tombstone(key, uid, deps.clock()));
    onEach();
    if (due) dues.push(due);
  }
  await sendDue(deps.queue, dues, deps.clock());
}

/** The uid of each declaration that has a row now. */
async function rowsOf({ leases }: DiscoveryDeps, cluster: string): Promise<ReadonlyMap<SyncKey, string>> {
  const rows = await leases.byCluster(cluster);
  const declared = rows.filter(({ key }) => !key.includes("#") && !isReferenceStatus(key));
  return new Map(declared.map(({ key, uid }) => [key, uid]));
}

/** How many are gone in a watch pass, of how many. `removed`: how many of them have no row any more. */
interface Share {
  readonly gone: number;
  readonly of: number;
  readonly removed: number;
}

/** For a list: what is gone of the whole cluster, of its kind, and of the list itself. */
function sharesOf(
  lists: readonly Lacking[],
  {
    tombstoned,
    removedBefore,
  }: { readonly tombstoned: readonly Pick<Lacking, "list" | "kind">[]; readonly removedBefore: number },
  rows: ReadonlyMap<SyncKey, string>,
): (one: Lacking) => readonly [Share, Share, Share] {
  const ofKind = Map.groupBy(rows.keys(), (key) => partsOf(key).kind);
  const share = (isIn: (one: Pick<Lacking, "list" | "kind">) => boolean, left: number): Share => {
    const removed = removedBefore + tombstoned.filter(isIn).length;
    const gone = lists.filter(isIn).reduce((sum, { absent }) => sum + absent.length, removed);
    return { gone, of: left + removed, removed };
  };
  return ({ list, kind, of }) => [
    share(() => true, rows.size),
    share((other) => other.kind === kind, ofKind.get(kind.kind)?.length ?? 0),
    share((other) => other.list === list, of),
  ];
}
