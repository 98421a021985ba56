import type { EpochMs } from "../../clock.ts";
import { cleanupKey, partsOf, type SyncKey } from "../../keys.ts";
import type { Declared } from "../../ports/rows.ts";
import { EMPTY_STATE } from "../../ports/rows.ts";
import type { Due, SyncStore } from "../../ports/store.ts";
import { mergeOwned } from "../merge-owned.ts";
import type { Connection } from "./connection.ts";
import { declaredOf, isClaimed, READ_ROW, type SyncRecord, stateOf } from "./rows.ts";

type Declarations = Pick<SyncStore, "declare" | "tombstone" | "release">;

/** What makes rows and ends them. */
export function declarations(connection: Connection): Declarations {
  const record = connection.one<SyncRecord>(READ_ROW);
  const remove = removing(connection);
  const insert = inserting(connection);
  const redeclare = redeclaring(connection);
  const tombstone = tombstoning(connection, record, remove);
  return {
    declare: (declared, now) =>
      connection.change("declare", () => {
        const old = record({ key: declared.key });
        if (old === undefined) return insert(declared, now, now);
        // One that can't be read is written anew.
        const isKnown = old.hash === declared.hash && declaredOf(old) !== undefined;
        if (old.uid === declared.uid) return isKnown ? undefined : redeclare(old, declared, now);
        tombstone(old, now);
        return insert(declared, Math.max(now, old.fence + 1), now);
      }),
    tombstone: (key, uid, now) =>
      connection.change("tombstone", () => {
        const old = record({ key });
        return old?.uid === uid ? tombstone(old, now) : undefined;
      }),
    release: (key) =>
      connection.change("release", () => {
        const old = record({ key });
        if (old !== undefined) remove(old);
      }),
  };
}

type ReadRecord = (params: { readonly key: SyncKey }) => SyncRecord | undefined;
type Remove = (record: Pick<SyncRecord, "key" | "body">) => void;

function removing(connection: Connection): Remove {
  const sync = connection.write("DELETE FROM sync WHERE key = :key");
  const body = connection.part("DELETE FROM body WHERE id = :body");
  return ({ key, body: id }) => {
    sync({ key });
    body({ body: id });
  };
}

/** A new row's fence starts at the wall clock, above whatever went by that key before (lease-table 4). */
function inserting(connection: Connection) {
  const body = connection.part("INSERT INTO body (state, declared) VALUES (:state, :declared)");
  const sync = connection.write(`
    INSERT INTO sync (key, body, cluster, uid, hash, generation, grp, fence, due_at, nudges, look, lane)
    VALUES (:key, last_insert_rowid(), :cluster, :uid, :hash, :generation, :grp, :fence, :now, 0, 0, 'now')`);
  return (declared: Declared, fence: number, now: EpochMs): Due => {
    const { key, uid, hash, generation, group } = declared;
    body({ state: JSON.stringify(EMPTY_STATE), declared: JSON.stringify(declared) });
    sync({ key, uid, hash, generation, grp: group, cluster: partsOf(key).cluster, fence, now });
    return { key, group, lane: "now", at: now };
  };
}

/** A changed declaration: due now, or when the lease that holds the row ends, whose settle sees the nudge (lease-table 5). */
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

/** Turns a row into the clean-up of what its declaration left, or removes it when nothing was left (lease-table 8). */
function tombstoning(connection: Connection, record: ReadRecord, remove: Remove) {
  // A clean-up reads no Vault path, so that it leaves the index of sources as well as the wheel.
  const sync = connection.write(`
    UPDATE sync SET key = :to, fence = :fence, nudges = nudges + 1, due_at = :now, lane = 'now', lease_until = NULL,
      period = NULL, phase = NULL, source = NULL
    WHERE key = :from`);
  const body = connection.part("UPDATE body SET state = :state WHERE id = :body");
  return (old: SyncRecord, now: EpochMs): Due | undefined => {
    const {
      place: _place,
      awaits: _awaits,
      bridgeUntil: _bridgeUntil,
      error: _error,
      ...state
    } = stateOf(old, connection.damaged);
    const claimed = isClaimed(old, now);
    if (state.owned.length === 0 && !claimed) {
      remove(old);
      return undefined;
    }
    const to = cleanupKey(old.key, old.uid);
    // The same uid was tombstoned before, and came back out of a restored etcd.
    const before = record({ key: to });
    if (before !== undefined) remove(before);
    const owned =
      before === undefined ? state.owned : mergeOwned(stateOf(before, connection.damaged).owned, state.owned);
    const left = { ...state, attempts: 0, owned, ...(claimed ? { busyUntil: old.lease_until } : {}) };
    sync({ from: old.key, to, fence: Math.max(old.fence, (before?.fence ?? 0) + 1), now });
    body({ body: old.body, state: JSON.stringify(left) });
    return { key: to, group: old.grp, lane: "now", at: now };
  };
}
