import type { EpochMs } from "../clock.ts";
import { cleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type {
  ClaimOptions,
  Declared,
  Due,
  Lease,
  OwnedSecret,
  Row,
  Settlement,
  SettleOutcome,
  SyncStore,
} from "../reconcile/ports.ts";
import { EMPTY_STATE } from "../reconcile/ports.ts";
import type { Connection } from "./sqlite-connection.ts";
import { rowOf, type SyncRecord, stateOf } from "./sqlite-rows.ts";

/** At most one start of a row by nudges in this time, in ms (lease-table 9). */
const NUDGE_GAP_MS = 2_000;

type Writes = Omit<SyncStore, "read" | "due" | "periods" | "onWheel" | "bySource" | "byCluster">;

/** What changes rows of syncs. */
export function syncWrites(connection: Connection): Writes {
  const record = connection.one<SyncRecord>("SELECT * FROM sync WHERE key = :key");
  const remove = connection.write("DELETE FROM sync WHERE key = :key");
  const declare = declaring(connection, record);
  const bury = burying(connection, record);
  return {
    declare: (declared, now) =>
      connection.atomic("declare", () => {
        const old = record({ key: declared.key });
        if (old !== undefined && old.uid !== declared.uid) {
          bury(old, now);
          return declare.insert(declared, Math.max(now, old.fence + 1), now);
        }
        if (old === undefined) return declare.insert(declared, now, now);
        return old.hash === declared.hash ? undefined : declare.change(old, declared, now);
      }),
    bury: (key, uid, now) =>
      connection.atomic("bury", () => {
        const old = record({ key });
        return old?.uid === uid ? bury(old, now) : undefined;
      }),
    release: (key) => connection.step("release", () => void remove({ key })),
    nudge: nudging(connection, record),
    claim: claiming(connection),
    settle: settling(connection),
  };
}

type ReadRecord = (params: { readonly key: SyncKey }) => SyncRecord | undefined;

function isHeld(record: Pick<SyncRecord, "lease_until">, now: EpochMs): boolean {
  return record.lease_until !== null && record.lease_until > now;
}

function declaring(connection: Connection, record: ReadRecord) {
  const insert = connection.write(`
    INSERT INTO sync (key, cluster, uid, hash, generation, grp, declared, fence, due_at, state, nudges, look, lane)
    VALUES (:key, :cluster, :uid, :hash, :generation, :grp, :declared, :fence, :now, :state, 0, 0, 'now')`);
  const change = connection.write(`
    UPDATE sync SET hash = :hash, generation = :generation, grp = :grp, declared = :declared, nudges = nudges + 1,
      due_at = CASE WHEN lease_until > :now THEN due_at ELSE :now END, lane = 'now'
    WHERE key = :key AND uid = :uid`);
  const attributes = (declared: Declared) => ({
    key: declared.key,
    uid: declared.uid,
    hash: declared.hash,
    generation: declared.generation,
    grp: declared.group,
    declared: JSON.stringify(declared),
  });
  const dueOfKey = (declared: Declared, now: EpochMs): Due => ({
    key: declared.key,
    group: declared.group,
    lane: "now",
    at: record({ key: declared.key })?.due_at ?? now,
  });
  return {
    insert: (declared: Declared, fence: number, now: EpochMs): Due => {
      const { cluster } = partsOf(declared.key);
      insert({ ...attributes(declared), cluster, fence, now, state: JSON.stringify(EMPTY_STATE) });
      return { key: declared.key, group: declared.group, lane: "now", at: now };
    },
    change: (old: SyncRecord, declared: Declared, now: EpochMs): Due => {
      change({ ...attributes(declared), now });
      return isHeld(old, now)
        ? dueOfKey(declared, now)
        : { key: declared.key, group: declared.group, lane: "now", at: now };
    },
  };
}

/** Turns a row into the clean-up of what its declaration left, or removes it when nothing was left (lease-table 8). */
function burying(connection: Connection, record: ReadRecord) {
  const remove = connection.write("DELETE FROM sync WHERE key = :key");
  // The clean-up reads no Vault path, so that it leaves the index of sources as well as the wheel.
  const move = connection.write(`
    UPDATE sync SET key = :to, state = :state, fence = :fence, nudges = nudges + 1, due_at = :now, lane = 'now',
      lease_until = NULL, period = NULL, phase = NULL, source = NULL
    WHERE key = :from`);
  return (old: SyncRecord, now: EpochMs): Due | undefined => {
    const { source: _source, bridgeUntil: _bridgeUntil, error: _error, ...state } = stateOf(old);
    if (state.owned.length === 0 && !isHeld(old, now)) {
      remove({ key: old.key });
      return undefined;
    }
    const to = cleanupKey(old.key, old.uid);
    const before = record({ key: to });
    if (before !== undefined) remove({ key: to });
    const left = {
      ...state,
      attempts: 0,
      owned: before === undefined ? state.owned : mergeOwned(stateOf(before).owned, state.owned),
      ...(isHeld(old, now) ? { busyUntil: old.lease_until } : {}),
    };
    move({
      from: old.key,
      to,
      state: JSON.stringify(left),
      fence: Math.max(old.fence, (before?.fence ?? 0) + 1),
      now,
    });
    return { key: to, group: old.grp, lane: "now", at: now };
  };
}

/** By name; what is said later of a name completes what was said before. */
function mergeOwned(before: readonly OwnedSecret[], later: readonly OwnedSecret[]): readonly OwnedSecret[] {
  const merged = new Map(before.map((secret) => [secret.name, secret]));
  for (const secret of later) merged.set(secret.name, { ...merged.get(secret.name), ...secret });
  return [...merged.values()];
}

function nudging(connection: Connection, record: ReadRecord): SyncStore["nudge"] {
  const nudge = connection.write(`
    UPDATE sync SET nudges = nudges + 1, look = max(look, :look), due_at = :dueAt, lane = 'now' WHERE key = :key`);
  return (key, { now, look }) =>
    connection.atomic("nudge", () => {
      const old = record({ key });
      if (old === undefined) return undefined;
      const dueAt = nudgedDueAt(old, now);
      const isDueAlready = old.due_at !== null && old.due_at <= now && !isHeld(old, now);
      // Nothing need be sent then; but the wish to look is kept.
      if (isDueAlready && (!look || old.look === 1)) return undefined;
      nudge({ key, look: look ? 1 : 0, dueAt });
      return isDueAlready ? undefined : { key, group: old.grp, lane: "now", at: dueAt };
    });
}

/** When a nudged row is due: at the end of the lease that holds it; else soon, and never later than it was due anyway. */
function nudgedDueAt(old: SyncRecord, now: EpochMs): EpochMs {
  if (isHeld(old, now)) return old.lease_until ?? now;
  const soonest = Math.max(now, (old.settled_at ?? 0) + NUDGE_GAP_MS);
  return Math.min(soonest, old.due_at ?? soonest);
}

/**
 * Beside fence and uid the lease must be as it was read: a row that was read while someone held it, and was settled
 * since, has the same fence and another past.
 */
function claiming(connection: Connection): SyncStore["claim"] {
  const claim = connection.writeOne<SyncRecord>(`
    UPDATE sync SET fence = fence + 1, lease_until = :until, due_at = :until, lane = 'now', state = coalesce(:state, state)
    WHERE key = :key AND uid = :uid AND fence = :fence AND lease_until IS :leaseUntil
      AND (lease_until IS NULL OR lease_until <= :now)
    RETURNING *`);
  return (row, { now, until, owned }: ClaimOptions) =>
    connection.step("claim", () => {
      const claimed = claim({
        key: row.key,
        uid: row.declared.uid,
        fence: row.fence,
        leaseUntil: row.leaseUntil ?? null,
        now,
        until,
        // The state is as it was read: only settle and claim write it, and the condition excludes both.
        state: owned === undefined ? null : JSON.stringify({ ...row.state, owned: mergeOwned(row.state.owned, owned) }),
      });
      if (claimed === undefined) return undefined;
      return { lease: leaseOf(row, claimed, until), row: rowOf(claimed) };
    });
}

function leaseOf(read: Row, claimed: SyncRecord, until: EpochMs): Lease {
  return { key: read.key, uid: claimed.uid, fence: claimed.fence, until, nudges: read.nudges };
}

/**
 * Who was nudged meanwhile is due now whatever the schedule says. Its turn on the wheel is taken from the schedule all
 * the same, and `look` stays set, since it may belong to the nudge.
 */
function settling(connection: Connection): SyncStore["settle"] {
  const settle = connection.writeOne<{ readonly nudges: number }>(`
    UPDATE sync SET state = :state, source = :source, settled_at = :now, lease_until = NULL, period = :period, phase = :phase,
      due_at = CASE nudges WHEN :nudges THEN :dueAt ELSE :now END,
      lane = CASE nudges WHEN :nudges THEN :lane ELSE 'now' END,
      look = CASE nudges WHEN :nudges THEN 0 ELSE look END
    WHERE key = :key AND uid = :uid AND fence = :fence
    RETURNING nudges`);
  const remove = connection.write(
    "DELETE FROM sync WHERE key = :key AND uid = :uid AND fence = :fence AND nudges = :nudges",
  );
  return (lease: Lease, settlement: Settlement): Promise<SettleOutcome> =>
    connection.atomic("settle", () => {
      const condition = { key: lease.key, uid: lease.uid, fence: lease.fence, nudges: lease.nudges };
      if (settlement.schedule.kind === "gone" && remove(condition) === 1) return "settled";
      const settled = settle({ ...condition, ...settledAttributes(settlement) });
      if (settled === undefined) return "lost";
      return settled.nudges === lease.nudges ? "settled" : "nudged";
    });
}

function settledAttributes({ state, schedule, now }: Settlement) {
  const turn = schedule.kind === "wheel" ? schedule.turn : undefined;
  return {
    now,
    state: JSON.stringify({ ...state, settledAt: now }),
    source: state.source ?? null,
    period: turn?.period ?? null,
    phase: turn?.phase ?? null,
    dueAt: (schedule.kind === "wheel" ? schedule.dueAt : schedule.kind === "due" ? schedule.at : undefined) ?? null,
    lane: schedule.kind === "wheel" ? "refresh" : "now",
  };
}
