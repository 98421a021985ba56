import type { EpochMs } from "../../clock.ts";
import type { SyncKey } from "../../keys.ts";
import type { SyncStore } from "../../ports/store.ts";
import { sentAgain } from "../overdue.ts";
import { all, dueAtIsStill, fenceIsStill, itemExists, leaseIsStill, uidIsStill } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { OVERTAKEN, untilItHolds } from "./contention.ts";
import { type Changes, isClaimed, type SyncItem } from "./rows.ts";
import { syncAt } from "./table.ts";

/** At most one start of a row by nudges in this time, in ms (lease-table 9). */
const NUDGE_GAP_MS = 2_000;

/**
 * What asks for work: a read, and a write unless the row is due already. A blind write would be cheaper only if it
 * always held: a refused one costs as much (lease-table 24).
 */
export function nudging(connection: Connection): SyncStore["nudge"] {
  return (key, options) => {
    connection.count("nudge");
    return untilItHolds(key, () => nudge(connection, key, options));
  };
}

async function nudge(connection: Connection, key: SyncKey, { now, verify, atOnce = false }: Options) {
  const old = await connection.get<SyncItem>(syncAt(key), "strong");
  if (old === undefined) return undefined;
  const isAwake = isDueAlready(old, now);
  const again = sentAgain({ key, group: old.grp }, old.dueAt ?? null, now);
  // Nothing need be written then; but the wish to verify is kept.
  if (isAwake && (!verify || old.look)) return again;
  const set = { ...nudgedTime(old, now, atOnce), ...(verify ? { look: verify } : {}) };
  const { holds } = await connection.update(syncAt(key), { set, add: { nudges: 1 } }, itsTimesAreAsRead(old));
  if (!holds) return OVERTAKEN;
  if (isAwake) return again;
  return { key, group: old.grp, lane: "now" as const, at: nudgedDueAt(old, now, atOnce) };
}

type Options = Parameters<SyncStore["nudge"]>[1];

function isDueAlready(old: SyncItem, now: EpochMs): boolean {
  return old.dueAt !== undefined && old.dueAt <= now && !isClaimed(old, now);
}

/** Under a lease only the count moves, so that nudges of the same moment don't overtake each other. */
function nudgedTime(old: SyncItem, now: EpochMs, atOnce: boolean): Changes {
  return isClaimed(old, now) ? {} : { dueAt: nudgedDueAt(old, now, atOnce), lane: "now" };
}

function itsTimesAreAsRead({ uid, fence, leaseUntil, dueAt }: SyncItem) {
  return all(itemExists, uidIsStill(uid), fenceIsStill(fence), leaseIsStill(leaseUntil), dueAtIsStill(dueAt));
}

/** When a nudged row is due: at the end of the lease that holds it; else soon, and never later than it was due anyway. */
function nudgedDueAt(old: SyncItem, now: EpochMs, atOnce: boolean): EpochMs {
  if (isClaimed(old, now)) return old.leaseUntil ?? now;
  const soonest = atOnce ? now : Math.max(now, (old.settledAt ?? 0) + NUDGE_GAP_MS);
  return Math.min(soonest, old.dueAt ?? soonest);
}
