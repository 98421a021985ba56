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
import type { Connection } from "./connection.ts";
import type { Indexes } from "./indexes.ts";
import { bodyParams, declaredOf, isClaimed, READ_ROW, RETIRED, type SyncRecord, stateOf, unsentAt } from "./rows.ts";

type Declarations = Pick<SyncStore, "declare" | "tombstone" | "release" | "retire">;

/** Creates and deletes rows. */
export function declarations(connection: Connection, indexes: Indexes): Declarations {
  const record = connection.one<SyncRecord>(READ_ROW);
  const remove = removing(connection, indexes);
  const insert = inserting(connection);
  const redeclare = redeclaring(connection);
  const steps = { connection, indexes, record, remove, move: moving(connection) };
  const declareNew = (declared: Declared, now: EpochMs): Due => {
    const left = record({ key: cleanupKey(declared.key, declared.uid) });
    const state = left && cameBackState(stateOf(left, connection.damaged), isClaimed(left, now), now);
    if (left === undefined || state === undefined) return insert(declared, now, now);
    remove(left);
    const due = insert(declared, Math.max(now, left.fence + 1), now, state);
    indexes.move(declared.key, undefined, state);
    return due;
  };
  return {
    declare: (declared, now) =>
      connection.change("declare", () => {
        const old = record({ key: declared.key });
        if (old === undefined) return declareNew(declared, now);
        // An unreadable declaration is written again.
        const isKnown = old.hash === declared.hash && declaredOf(old) !== undefined;
        if (old.uid === declared.uid) return isKnown ? undefined : redeclare(old, declared, now);
        tombstone(steps, old, now);
        return insert(declared, Math.max(now, old.fence + 1), now);
      }),
    tombstone: (key, uid, now) =>
      connection.change("tombstone", () => {
        const old = record({ key });
        return old?.uid === uid ? tombstone(steps, old, now) : undefined;
      }),
    release: (key, hash) =>
      connection.change("release", () => {
        const old = record({ key });
        if (old === undefined || old.hash !== (hash ?? old.hash)) return;
        demandNoIssues(key, stateOf(old, connection.damaged));
        remove(old);
      }),
    retire: (key, until, now, hash) =>
      connection.change("retire", () => {
        const old = record({ key });
        return old === undefined || old.hash !== (hash ?? old.hash) ? undefined : retire(steps, old, until, now);
      }),
  };
}

type ReadRecord = (params: { readonly key: SyncKey }) => SyncRecord | undefined;
type Remove = (record: SyncRecord) => void;

interface Steps {
  readonly connection: Connection;
  readonly indexes: Indexes;
  readonly record: ReadRecord;
  readonly remove: Remove;
  readonly move: ReturnType<typeof moving>;
}

function removing(connection: Connection, indexes: Indexes): Remove {
  const sync = connection.write("DELETE FROM sync WHERE key = :key");
  const body = connection.part("DELETE FROM body WHERE id = :body");
  return (old) => {
    indexes.move(old.key, stateOf(old, connection.damaged), undefined);
    sync({ key: old.key });
    body({ body: old.body });
  };
}

/** A new row's fence starts at the wall clock, above any earlier row with that key (lease-table 4). */
function inserting(connection: Connection) {
  const body = connection.part(
    "INSERT INTO body (state, issues, pushed, declared) VALUES (:state, :issues, :pushed, :declared)",
  );
  const sync = connection.write(`
    INSERT INTO sync (key, body, cluster, uid, hash, generation, grp, fence, due_at, nudges, look, lane, unsent_at)
    VALUES (:key, last_insert_rowid(), :cluster, :uid, :hash, :generation, :grp, :fence, :now, 0, 0, 'now', :unsentAt)`);
  return (declared: Declared, fence: number, now: EpochMs, state: RowState = EMPTY_STATE): Due => {
    const { key, uid, hash, generation, group } = declared;
    body({ ...bodyParams(state), declared: JSON.stringify(declared) });
    const at = { now, unsentAt: unsentAt(state) };
    sync({ key, uid, hash, generation, grp: group, cluster: partsOf(key).cluster, fence, ...at });
    return { key, group, lane: "now", at: now };
  };
}

/** A changed declaration: due now, or at the end of a running lease, whose settle sees the nudge (lease-table 5). */
function redeclaring(connection: Connection) {
  const sync = connection.write(`
    UPDATE sync SET hash = :hash, generation = :generation, grp = :grp, nudges = nudges + 1, due_at = :dueAt, lane = 'now'
    WHERE key = :key`);
  const body = connection.part("UPDATE body SET declared = :declared WHERE id = :body");
  return (old: SyncRecord, declared: Declared, now: EpochMs): Due => {
    const { key, hash, generation, group } = declared;
    const at = isClaimed(old, now) ? (old.lease_until ?? now) : now;
    sync({ key, hash, generation, grp: group, dueAt: at });
    body({ body: old.body, declared: JSON.stringify(declared) });
    return { key, group, lane: "now", at };
  };
}

/** The clean-up's row; its new fence keeps a running worker from storing anything. */
interface Moved {
  readonly to: SyncKey;
  readonly cluster: string;
  readonly fence: number;
  readonly dueAt: EpochMs;
  readonly keepsRenewing: boolean;
}

function moving(connection: Connection) {
  const sync = connection.write(`
    UPDATE sync SET key = :to, cluster = :cluster, fence = :fence, due_at = :dueAt, lane = 'now',
      lease_until = NULL, expect = NULL, expect_at = NULL, period = NULL, phase = NULL,
      renew_period = CASE :renews WHEN 1 THEN renew_period END, renew_phase = CASE :renews WHEN 1 THEN renew_phase END
    WHERE key = :from`);
  const body = connection.part("UPDATE body SET state = :state, issues = :issues, pushed = :pushed WHERE id = :body");
  return (old: SyncRecord, { keepsRenewing, ...moved }: Moved, state: RowState): void => {
    sync({ from: old.key, ...moved, renews: keepsRenewing ? 1 : 0 });
    body({ body: old.body, ...bodyParams(state) });
  };
}

/** Turns a row into a clean-up, or removes it when there is nothing to clean up (lease-table 8). */
function tombstone(steps: Steps, old: SyncRecord, now: EpochMs): Due | undefined {
  const { connection, remove } = steps;
  const state = stateOf(old, connection.damaged);
  const held = heldOf(old, now);
  if (ownsNothing(state) && held === undefined) {
    remove(old);
    return undefined;
  }
  const to = cleanupKey(old.key, old.uid);
  const before = removedBefore(steps, to);
  const left = tombstonedState(state, held, before && stateOf(before, connection.damaged));
  const fence = Math.max(old.fence, (before?.fence ?? 0) + 1);
  const { cluster } = partsOf(old.key);
  become(steps, old, { to, cluster, fence, dueAt: now, keepsRenewing: false }, left);
  return { key: to, group: old.grp, lane: "now", at: now };
}

/** Keeps a released row only for its Vault leases (lease-table 28). */
function retire(steps: Steps, old: SyncRecord, until: EpochMs, now: EpochMs): Due | undefined {
  const { connection, remove } = steps;
  const state = stateOf(old, connection.damaged);
  if ((state.issues ?? []).length === 0) {
    remove(old);
    return undefined;
  }
  const isCleanup = isCleanupKey(old.key);
  const to = isCleanup ? old.key : cleanupKey(old.key, old.uid);
  const before = isCleanup ? undefined : removedBefore(steps, to);
  const held = heldOf(old, now);
  const left = retiredState(state, isCleanup ? undefined : until, held, before && stateOf(before, connection.damaged));
  const dueAt = isCleanup ? now : retiredDueAt(state, until);
  const fence = Math.max(old.fence, before?.fence ?? 0) + 1;
  become(steps, old, { to, cluster: RETIRED, fence, dueAt, keepsRenewing: true }, left);
  return { key: to, group: old.grp, lane: "now", at: dueAt };
}

/** The same uid was tombstoned before, and a restored etcd brought it back. */
function removedBefore({ record, remove }: Steps, key: SyncKey): SyncRecord | undefined {
  const before = record({ key });
  if (before !== undefined) remove(before);
  return before;
}

function become({ connection, indexes, move }: Steps, old: SyncRecord, moved: Moved, state: RowState): void {
  indexes.move(old.key, stateOf(old, connection.damaged), undefined);
  move(old, moved, state);
  indexes.move(moved.to, undefined, state);
}

function heldOf(record: SyncRecord, now: EpochMs): Held {
  const { lease_until: leaseUntil, fence } = record;
  return isClaimed(record, now) && leaseUntil !== null ? { leaseUntil, fence } : undefined;
}
