import type { EpochMs } from "../../clock.ts";
import { cleanupKey, type SyncKey } from "../../keys.ts";
import { type Declared, EMPTY_STATE, type RowState } from "../../ports/rows.ts";
import type { Due, SyncStore } from "../../ports/store.ts";
import { mergeOwned } from "../merge-owned.ts";
import type { Bodies } from "./bodies.ts";
import {
  all,
  type Condition,
  declarationIsStill,
  fenceIsStill,
  itemExists,
  itemIsAbsent,
  leaseIsStill,
  uidIsStill,
} from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { OVERTAKEN, untilItHolds } from "./contention.ts";
import {
  type Changes,
  declaredAttributes,
  declaredOf,
  isClaimed,
  keyAttributes,
  ownedOf,
  type SyncItem,
  slotAttributes,
  stateAttributes,
  stateOf,
} from "./rows.ts";
import { syncAt } from "./table.ts";
import type { Write } from "./writes.ts";

type Attempt = Promise<Due | undefined | typeof OVERTAKEN>;

/** What makes rows and ends them: a read that tells which case it is, and one write, or one transaction. */
export function declarations(
  connection: Connection,
  bodies: Bodies,
): Pick<SyncStore, "declare" | "tombstone" | "release"> {
  const read = (key: SyncKey) => connection.get<SyncItem>(syncAt(key), "strong");
  return {
    declare: (declared, now) => {
      connection.count("declare");
      return untilItHolds(declared.key, async () => {
        const old = await read(declared.key);
        if (old === undefined) return insert(connection, bodies, declared, now);
        if (old.uid !== declared.uid) return replace(connection, bodies, old, declared, now);
        // One that can't be read is written anew.
        const isDamaged = old.bodyId === undefined && declaredOf(old, old.declared ?? "") === undefined;
        if (old.declaredHash === declared.hash && !isDamaged) return undefined;
        return redeclare(connection, bodies, old, declared, now);
      });
    },
    tombstone: (key, uid, now) => {
      connection.count("tombstone");
      return untilItHolds(key, async () => {
        const old = await read(key);
        return old?.uid === uid ? tombstone(connection, bodies, old, now) : undefined;
      });
    },
    release: async (key) => {
      connection.count("release");
      const { item } = await connection.remove<SyncItem>(syncAt(key));
      await bodies.forget(item);
    },
  };
}

/** Every claim, settle and declaration since then has changed one of these, so that the state is as it was read, too. */
function itIsAsItWasRead({ uid, fence, leaseUntil, declaredHash }: SyncItem): Condition {
  return all(
    itemExists,
    uidIsStill(uid),
    fenceIsStill(fence),
    leaseIsStill(leaseUntil),
    declarationIsStill(declaredHash),
  );
}

/** A new row's fence starts at the wall clock, above whatever went by that key before (lease-table 4). */
async function newItem(bodies: Bodies, declared: Declared, fence: number, now: EpochMs) {
  const started: Changes = { fence, nudges: 0, look: false, dueAt: now, lane: "now" };
  return {
    ...keyAttributes(declared.key),
    ...declaredAttributes(declared),
    ...(await bodies.store(declared, String(fence))),
    ...stateAttributes(EMPTY_STATE),
    ...started,
  };
}

function dueNow({ key, group }: Declared, at: EpochMs): Due {
  return { key, group, lane: "now", at };
}

async function insert(connection: Connection, bodies: Bodies, declared: Declared, now: EpochMs): Attempt {
  const holds = await connection.put(await newItem(bodies, declared, now, now), itemIsAbsent);
  return holds ? dueNow(declared, now) : OVERTAKEN;
}

/** A changed declaration: due now, or when the lease that holds the row ends, whose settle sees the nudge (lease-table 5). */
async function redeclare(
  connection: Connection,
  bodies: Bodies,
  old: SyncItem,
  declared: Declared,
  now: EpochMs,
): Attempt {
  const time: Changes = isClaimed(old, now) ? {} : { dueAt: now, lane: "now" };
  const body = await bodies.store(declared, `${old.fence} ${old.nudges}`);
  const change = { set: { ...declaredAttributes(declared), ...body, ...time }, add: { nudges: 1 } };
  const { holds } = await connection.update(syncAt(declared.key), change, itIsAsItWasRead(old));
  if (!holds) return OVERTAKEN;
  if (old.bodyId !== body.bodyId) await bodies.forget(old);
  return dueNow(declared, isClaimed(old, now) ? (old.leaseUntil ?? now) : now);
}

/** Another uid under the same key: the old row's clean-up and the new row in one step, if anything is to be cleaned up. */
async function replace(
  connection: Connection,
  bodies: Bodies,
  old: SyncItem,
  declared: Declared,
  now: EpochMs,
): Attempt {
  const reborn = await newItem(bodies, declared, Math.max(now, old.fence + 1), now);
  if (leavesNothing(connection, old, now)) {
    if (!(await connection.put(reborn, itIsAsItWasRead(old)))) return OVERTAKEN;
    await bodies.forget(old);
    return dueNow(declared, now);
  }
  const tombstoned = await cleanupOf(connection, bodies, old, now);
  const isDone = await connection.transact([tombstoned.write, { put: reborn, when: itIsAsItWasRead(old) }]);
  if (!isDone) return OVERTAKEN;
  await tombstoned.forgetBefore();
  return dueNow(declared, now);
}

/** Turns a row into the clean-up of what its declaration left, or removes it when nothing was left (lease-table 8). */
async function tombstone(connection: Connection, bodies: Bodies, old: SyncItem, now: EpochMs): Attempt {
  if (leavesNothing(connection, old, now)) {
    const { holds } = await connection.remove(syncAt(old.pk), itIsAsItWasRead(old));
    if (!holds) return OVERTAKEN;
    await bodies.forget(old);
    return undefined;
  }
  const tombstoned = await cleanupOf(connection, bodies, old, now);
  const isDone = await connection.transact([tombstoned.write, { remove: syncAt(old.pk), when: itIsAsItWasRead(old) }]);
  if (!isDone) return OVERTAKEN;
  await tombstoned.forgetBefore();
  return { key: cleanupKey(old.pk, old.uid), group: old.grp, lane: "now", at: now };
}

function leavesNothing({ damaged }: Connection, old: SyncItem, now: EpochMs): boolean {
  return ownedOf(old, damaged).length === 0 && !isClaimed(old, now);
}

/** The clean-up's row, beside one that was there before: the same uid was tombstoned, and came back out of a restored etcd. */
async function cleanupOf(connection: Connection, bodies: Bodies, old: SyncItem, now: EpochMs) {
  const key = cleanupKey(old.pk, old.uid);
  const before = await connection.get<SyncItem>(syncAt(key), "strong");
  const times: Changes = {
    fence: before === undefined ? old.fence : Math.max(old.fence, before.fence + 1),
    nudges: old.nudges + 1,
    dueAt: now,
    lane: "now",
    leaseUntil: undefined,
  };
  const item = {
    ...old,
    ...keyAttributes(key),
    ...stateAttributes(leftState(connection, old, before, now)),
    ...slotAttributes(undefined),
    ...times,
  };
  const write: Write = { put: item, when: before === undefined ? itemIsAbsent : itIsAsItWasRead(before) };
  return { write, forgetBefore: () => bodies.forget(before) };
}

/** A clean-up reads no Vault path, so that it leaves the index of sources as well as the wheel. */
function leftState({ damaged }: Connection, old: SyncItem, before: SyncItem | undefined, now: EpochMs): RowState {
  const { place: _place, awaits: _awaits, bridgeUntil: _bridgeUntil, error: _error, ...state } = stateOf(old, damaged);
  const owned = before === undefined ? state.owned : mergeOwned(ownedOf(before, damaged), state.owned);
  const isBusy = isClaimed(old, now) && old.leaseUntil !== undefined;
  return { ...state, attempts: 0, owned, ...(isBusy ? { busyUntil: old.leaseUntil } : {}) };
}
