import type { EpochMs } from "../../clock.ts";
import type { Row } from "../../ports/rows.ts";
import type { ClaimOptions, Settlement, SettleOutcome, SyncStore } from "../../ports/store.ts";
import { damagedRow } from "../damage.ts";
import { mergeOwned } from "../merge-owned.ts";
import { sentAgain } from "../overdue.ts";
import { sourceOf } from "../source-index.ts";
import type { Connection } from "./connection.ts";
import { declaredOf, isClaimed, READ_ROW, type SyncRecord } from "./rows.ts";

/** At most one start of a row by nudges in this time, in ms (lease-table 9). */
const NUDGE_GAP_MS = 2_000;

/** What asks for work on a row, takes it and ends it. */
export function leases(connection: Connection): Pick<SyncStore, "nudge" | "claim" | "settle"> {
  return { nudge: nudging(connection), claim: claiming(connection), settle: settling(connection) };
}

type HotRecord = Pick<SyncRecord, "grp" | "look" | "lease_until" | "due_at" | "settled_at">;

function nudging(connection: Connection): SyncStore["nudge"] {
  const record = connection.one<HotRecord>(
    "SELECT grp, look, lease_until, due_at, settled_at FROM sync WHERE key = :key",
  );
  const nudge = connection.write(`
    UPDATE sync SET nudges = nudges + 1, look = max(look, :look), due_at = :dueAt, lane = 'now' WHERE key = :key`);
  return (key, { now, verify, atOnce = false }) =>
    connection.change("nudge", () => {
      const old = record({ key });
      if (old === undefined) return undefined;
      const isDueAlready = old.due_at !== null && old.due_at <= now && !isClaimed(old, now);
      const again = sentAgain({ key, group: old.grp }, old.due_at, now);
      // Nothing need be written then; but the wish to verify is kept.
      if (isDueAlready && (!verify || old.look === 1)) return again;
      const at = nudgedDueAt(old, now, atOnce);
      nudge({ key, look: verify ? 1 : 0, dueAt: at });
      return isDueAlready ? again : { key, group: old.grp, lane: "now", at };
    });
}

/** When a nudged row is due: at the end of the lease that holds it; else soon, and never later than it was due anyway. */
function nudgedDueAt(old: HotRecord, now: EpochMs, atOnce: boolean): EpochMs {
  if (isClaimed(old, now)) return old.lease_until ?? now;
  const soonest = atOnce ? now : Math.max(now, (old.settled_at ?? 0) + NUDGE_GAP_MS);
  return Math.min(soonest, old.due_at ?? soonest);
}

type ClaimedRecord = Pick<SyncRecord, "body" | "hash" | "fence" | "nudges" | "look">;

/**
 * Beside fence and uid the lease must be as it was read: a row that was read while someone held it, and was settled
 * since, has the same fence and another past. So the state is as it was read, too.
 */
function claiming(connection: Connection): SyncStore["claim"] {
  const claim = connection.writeOne<ClaimedRecord>(`
    UPDATE sync SET fence = fence + 1, lease_until = :until, due_at = :until, lane = 'now'
    WHERE key = :key AND uid = :uid AND fence = :fence AND lease_until IS :leaseUntil
      AND (lease_until IS NULL OR lease_until <= :now)
    RETURNING body, hash, fence, nudges, look`);
  const body = connection.part("UPDATE body SET state = :state WHERE id = :body");
  const record = connection.one<SyncRecord>(READ_ROW);
  const asItStands = (row: Row, { hash, fence, nudges, look }: ClaimedRecord): Row => {
    // Declared anew between the read and the claim.
    const changed = hash === row.declared.hash ? undefined : record({ key: row.key });
    const declared = changed === undefined ? row.declared : declaredOf(changed);
    if (declared === undefined) throw damagedRow(row.key);
    return { ...row, declared, fence, nudges, verify: look === 1 };
  };
  return (row, { now, until, owned }: ClaimOptions) =>
    connection.change("claim", () => {
      const { key, declared, fence, leaseUntil = null } = row;
      const claimed = claim({ key, uid: declared.uid, fence, leaseUntil, now, until });
      if (claimed === undefined) return undefined;
      const state = owned === undefined ? row.state : { ...row.state, owned: mergeOwned(row.state.owned, owned) };
      if (owned !== undefined) body({ body: claimed.body, state: JSON.stringify(state) });
      return {
        lease: { key, uid: declared.uid, fence: claimed.fence, until, nudges: row.nudges },
        row: { ...asItStands(row, claimed), state, leaseUntil: until, dueAt: until },
      };
    });
}

/**
 * Who was nudged meanwhile is due now whatever the schedule says. Its refresh slot on the wheel is taken from the schedule all
 * the same, and `verify` stays set, since it may belong to the nudge.
 */
function settling(connection: Connection): SyncStore["settle"] {
  const sync = connection.writeOne<{ readonly body: number; readonly nudges: number }>(`
    UPDATE sync SET source = :source, settled_at = :now, lease_until = NULL, period = :period, phase = :phase,
      due_at = CASE nudges WHEN :nudges THEN :dueAt ELSE :now END,
      lane = CASE nudges WHEN :nudges THEN :lane ELSE 'now' END,
      look = CASE nudges WHEN :nudges THEN 0 ELSE look END
    WHERE key = :key AND uid = :uid AND fence = :fence
    RETURNING body, nudges`);
  const body = connection.part("UPDATE body SET state = :state WHERE id = :body");
  const removeSync = connection.writeOne<{ readonly body: number }>(
    "DELETE FROM sync WHERE key = :key AND uid = :uid AND fence = :fence AND nudges = :nudges RETURNING body",
  );
  const removeBody = connection.part("DELETE FROM body WHERE id = :body");
  return ({ key, uid, fence, nudges }, settlement) =>
    connection.change("settle", (): SettleOutcome => {
      const condition = { key, uid, fence, nudges };
      const removed = settlement.schedule.kind === "gone" ? removeSync(condition) : undefined;
      if (removed !== undefined) {
        removeBody(removed);
        return "settled";
      }
      const settled = sync({ ...condition, ...settledAttributes(settlement) });
      if (settled === undefined) return "lost";
      body({ body: settled.body, state: JSON.stringify({ ...settlement.state, settledAt: settlement.now }) });
      return settled.nudges === nudges ? "settled" : "nudged";
    });
}

function settledAttributes({ state, schedule, now }: Settlement) {
  const source = sourceOf(state) ?? null;
  const due = { now, source, period: null, phase: null, lane: "now" };
  switch (schedule.kind) {
    case "wheel":
      return { ...due, ...schedule.slot, dueAt: schedule.dueAt ?? null, lane: "refresh" };
    case "due":
      return { ...due, dueAt: schedule.at };
    case "parked":
    case "gone":
      return { ...due, dueAt: null };
  }
}
