import type { EpochMs } from "../../clock.ts";
import { cleanupKey, isCleanupKey, partsOf, type SyncKey } from "../../keys.ts";
import { type Declared, EMPTY_STATE, ownsNothing, type RowState } from "../../ports/rows.ts";
import type { Due, SyncStore } from "../../ports/store.ts";
import {
  cameBackState,
  demandNoIssues,
  type Held,
  retiredDueAt,
  retiredState,
  tombstonedState,
} from "../left-behind.ts";
import type { Bodies } from "./bodies.ts";
import {
  all,
  type Condition,
  declarationIsStill,
  fenceIsStill,
  hasNoIssues,
  itemExists,
  itemIsAbsent,
  leaseIsStill,
  recordsAreStill,
  uidIsStill,
} from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { OVERTAKEN, untilItHolds } from "./contention.ts";
import type { Indexes } from "./indexes.ts";
import {
  type Changes,
  declaredAttributes,
  declaredOf,
  isClaimed,
  keyAttributes,
  renewAttributes,
  type SyncItem,
  slotAttributes,
  stateAttributes,
  stateOf,
} from "./rows.ts";
import { RETIRED, syncAt } from "./table.ts";
import type { Write } from "./writes.ts";

type Attempt = Promise<Due | undefined | typeof OVERTAKEN>;

/** Creates and deletes rows: a read that decides the case, and one write or transaction. */
export function declarations(
  connection: Connection,
  bodies: Bodies,
  indexes: Indexes,
): Pick<SyncStore, "declare" | "tombstone" | "release" | "retire"> {
  const steps = { connection, bodies, indexes };
  const read = (key: SyncKey) => connection.get<SyncItem>(syncAt(key), "strong");
  return {
    declare: (declared, now) => {
      connection.count("declare");
      return untilItHolds(declared.key, async () => {
        const old = await read(declared.key);
        if (old === undefined) return insert(steps, declared, now);
        if (old.uid !== declared.uid) return replace(steps, old, declared, now);
        // An unreadable declaration is written again.
        const isDamaged = old.bodyId === undefined && declaredOf(old, old.declared ?? "") === undefined;
        if (old.declaredHash === declared.hash && !isDamaged) return undefined;
        return redeclare(steps, old, declared, now);
      });
    },
    tombstone: (key, uid, now) => {
      connection.count("tombstone");
      return untilItHolds(key, async () => {
        const old = await read(key);
        return old?.uid === uid ? tombstone(steps, old, now) : undefined;
      });
    },
    release: async (key, hash) => {
      connection.count("release");
      const isMeant = hash === undefined ? hasNoIssues : all(hasNoIssues, declarationIsStill(hash));
      const removed = await connection.remove<SyncItem>(syncAt(key), isMeant);
      if (removed.holds) return forget(steps, removed.item);
      if (removed.item) demandNoIssues(key, stateOf(removed.item, connection.damaged));
    },
    retire: (key, until, now, hash) => {
      connection.count("retire");
      return untilItHolds(key, async () => {
        const old = await read(key);
        return old === undefined || old.declaredHash !== (hash ?? old.declaredHash)
          ? undefined
          : retire(steps, old, until, now);
      });
    },
  };
}

interface Steps {
  readonly connection: Connection;
  readonly bodies: Bodies;
  readonly indexes: Indexes;
}

/** Deletes the items of a deleted row. */
async function forget({ connection, bodies, indexes }: Steps, item: SyncItem | undefined): Promise<void> {
  if (item === undefined) return;
  await indexes.leave(item.pk, item.fence, stateOf(item, connection.damaged), undefined);
  await bodies.forget(item);
}

/** Every claim, record, settle and declaration changes one of these, so the state is unchanged, too. */
function itIsAsItWasRead({ uid, fence, leaseUntil, declaredHash, records }: SyncItem): Condition {
  return all(
    itemExists,
    uidIsStill(uid),
    fenceIsStill(fence),
    leaseIsStill(leaseUntil),
    declarationIsStill(declaredHash),
    recordsAreStill(records),
  );
}

/** A new row's fence starts at the wall clock, above any earlier row with that key (lease-table 4). */
async function newItem(bodies: Bodies, declared: Declared, fence: number, now: EpochMs, state = EMPTY_STATE) {
  const started: Changes = { fence, nudges: 0, look: false, dueAt: now, lane: "now" };
  return {
    ...keyAttributes(declared.key),
    ...declaredAttributes(declared),
    ...(await bodies.store(declared, String(fence))),
    ...stateAttributes(state),
    ...started,
  };
}

function dueNow({ key, group }: Declared, at: EpochMs): Due {
  return { key, group, lane: "now", at };
}

async function insert(steps: Steps, declared: Declared, now: EpochMs): Attempt {
  const { connection, bodies } = steps;
  const left = await connection.get<SyncItem>(syncAt(cleanupKey(declared.key, declared.uid)), "strong");
  const state = left && cameBackState(stateOf(left, connection.damaged), isClaimed(left, now), now);
  if (left !== undefined && state !== undefined) return takeBack(steps, left, declared, state, now);
  const holds = await connection.put(await newItem(bodies, declared, now, now), itemIsAbsent);
  return holds ? dueNow(declared, now) : OVERTAKEN;
}

/** Writes the new row with the paths of its clean-up, and removes that, in one step. */
async function takeBack(steps: Steps, left: SyncItem, declared: Declared, state: RowState, now: EpochMs): Attempt {
  const { connection, bodies, indexes } = steps;
  const fence = Math.max(now, left.fence + 1);
  const item = await newItem(bodies, declared, fence, now, state);
  const isDone = await connection.transact([
    { put: item, when: itemIsAbsent },
    { remove: syncAt(left.pk), when: itIsAsItWasRead(left) },
    ...indexes.pushWrites(declared.key, fence, state.pushed ?? [], left.pk),
  ]);
  if (!isDone) return OVERTAKEN;
  await indexes.leave(left.pk, left.fence, stateOf(left, connection.damaged), state);
  await bodies.forget(left);
  return dueNow(declared, now);
}

/** A changed declaration: due now, or at the end of a running lease, whose settle sees the nudge (lease-table 5). */
async function redeclare({ connection, bodies }: Steps, old: SyncItem, declared: Declared, now: EpochMs): Attempt {
  const time: Changes = isClaimed(old, now) ? {} : { dueAt: now, lane: "now" };
  const body = await bodies.store(declared, `${old.fence} ${old.nudges}`);
  const change = { set: { ...declaredAttributes(declared), ...body, ...time }, add: { nudges: 1 } };
  const { holds } = await connection.update(syncAt(declared.key), change, itIsAsItWasRead(old));
  if (!holds) return OVERTAKEN;
  if (old.bodyId !== body.bodyId) await bodies.forget(old);
  return dueNow(declared, isClaimed(old, now) ? (old.leaseUntil ?? now) : now);
}

/** Another uid under the same key: writes the old row's clean-up, if any, and the new row in one step. */
async function replace(steps: Steps, old: SyncItem, declared: Declared, now: EpochMs): Attempt {
  const { connection, bodies } = steps;
  const reborn = await newItem(bodies, declared, Math.max(now, old.fence + 1), now);
  if (leavesNothing(steps, old, now)) {
    if (!(await connection.put(reborn, itIsAsItWasRead(old)))) return OVERTAKEN;
    await forget(steps, old);
    return dueNow(declared, now);
  }
  const moved = await tombstoned(steps, old, now);
  const isDone = await moved.write({ put: reborn, when: itIsAsItWasRead(old) });
  return isDone ? dueNow(declared, now) : OVERTAKEN;
}

/** Turns a row into a clean-up, or removes it when there is nothing to clean up (lease-table 8). */
async function tombstone(steps: Steps, old: SyncItem, now: EpochMs): Attempt {
  const { connection } = steps;
  if (leavesNothing(steps, old, now)) {
    const { holds } = await connection.remove(syncAt(old.pk), itIsAsItWasRead(old));
    if (!holds) return OVERTAKEN;
    await forget(steps, old);
    return undefined;
  }
  const moved = await tombstoned(steps, old, now);
  const isDone = await moved.write({ remove: syncAt(old.pk), when: itIsAsItWasRead(old) });
  return isDone ? { key: moved.key, group: old.grp, lane: "now", at: now } : OVERTAKEN;
}

function leavesNothing({ connection }: Steps, old: SyncItem, now: EpochMs): boolean {
  return ownsNothing(stateOf(old, connection.damaged)) && !isClaimed(old, now);
}

function tombstoned(steps: Steps, old: SyncItem, now: EpochMs) {
  const { connection } = steps;
  return moving(steps, old, {
    key: cleanupKey(old.pk, old.uid),
    cluster: partsOf(old.pk).cluster,
    dueAt: now,
    keepsRenewing: false,
    stateWith: (before) => tombstonedState(stateOf(old, connection.damaged), heldOf(old, now), before),
  });
}

/** Keeps a released row only for its Vault leases (lease-table 28). */
async function retire(steps: Steps, old: SyncItem, until: EpochMs, now: EpochMs): Attempt {
  const { connection } = steps;
  const state = stateOf(old, connection.damaged);
  if ((state.issues ?? []).length === 0) {
    const { holds } = await connection.remove(syncAt(old.pk), itIsAsItWasRead(old));
    if (!holds) return OVERTAKEN;
    await forget(steps, old);
    return undefined;
  }
  const isCleanup = isCleanupKey(old.pk);
  const dueAt = isCleanup ? now : retiredDueAt(state, until);
  const moved = await moving(steps, old, {
    key: isCleanup ? old.pk : cleanupKey(old.pk, old.uid),
    cluster: RETIRED,
    dueAt,
    keepsRenewing: true,
    stateWith: (before) => retiredState(state, isCleanup ? undefined : until, heldOf(old, now), before),
  });
  const isDone = await moved.write(isCleanup ? undefined : { remove: syncAt(old.pk), when: itIsAsItWasRead(old) });
  return isDone ? { key: moved.key, group: old.grp, lane: "now", at: dueAt } : OVERTAKEN;
}

function heldOf(old: SyncItem, now: EpochMs): Held {
  const { leaseUntil, fence } = old;
  return isClaimed(old, now) && leaseUntil !== undefined ? { leaseUntil, fence } : undefined;
}

/** The new state of a row; its new fence keeps a running worker from storing anything. */
interface Move {
  readonly key: SyncKey;
  readonly cluster: string;
  readonly dueAt: EpochMs;
  readonly keepsRenewing: boolean;
  readonly stateWith: (before: RowState | undefined) => RowState;
}

/**
 * The clean-up's row, merged with an earlier one of the same uid, which a restored etcd brought back. Its pushed paths
 * move in the same step.
 */
async function moving(steps: Steps, old: SyncItem, { key, cluster, dueAt, keepsRenewing, stateWith }: Move) {
  const { connection, bodies, indexes } = steps;
  const before = key === old.pk ? undefined : await connection.get<SyncItem>(syncAt(key), "strong");
  const state = stateWith(before && stateOf(before, connection.damaged));
  const fence = Math.max(old.fence, before?.fence ?? 0) + 1;
  const changes: Changes = {
    ...stateAttributes(state),
    ...slotAttributes(undefined),
    ...(keepsRenewing ? {} : renewAttributes("off")),
    ...{ fence, dueAt, lane: "now", leaseUntil: undefined },
    ...{ expectVersion: undefined, expectAt: undefined },
  };
  const item = { ...old, ...keyAttributes(key), cluster, ...changes };
  const asItWas = before ?? (key === old.pk ? old : undefined);
  const put: Write = { put: item, when: asItWas === undefined ? itemIsAbsent : itIsAsItWasRead(asItWas) };
  const oldState = stateOf(old, connection.damaged);
  return {
    key,
    async write(other: Write | undefined): Promise<boolean> {
      const undo = await indexes.join(key, fence, undefined, state);
      const paths = indexes.pushWrites(key, fence, state.pushed ?? [], old.pk);
      const isDone = await connection.transact([put, ...(other === undefined ? [] : [other]), ...paths]);
      if (!isDone) {
        await undo();
        return false;
      }
      // The clean-up now owns what moved; the rest has no owner.
      const kept = key === old.pk ? state : undefined;
      await indexes.leave(old.pk, old.fence, oldState, kept);
      await bodies.forget(before);
      return true;
    },
  };
}
