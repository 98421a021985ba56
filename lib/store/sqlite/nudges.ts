import type { SyncKey } from "../../keys.ts";
import type { Due, NudgeOptions, SyncStore } from "../../ports/store.ts";
import { nudgeOf } from "../nudging.ts";
import type { Connection } from "./connection.ts";
import { expectOf, type SyncRecord } from "./rows.ts";

type HotRecord = Pick<
  SyncRecord,
  | "key"
  | "grp"
  | "lane"
  | "look"
  | "nudges"
  | "nudges_seen"
  | "lease_until"
  | "due_at"
  | "settled_at"
  | "expect"
  | "expect_at"
> & { readonly has_issues: 0 | 1 };

/** Requests work: a read, and a write unless the row is worked on anyway. */
export function nudging(connection: Connection): Pick<SyncStore, "nudge" | "nudgeAll"> {
  const record = connection.one<HotRecord>(`
    SELECT key, grp, lane, look, nudges, nudges_seen, lease_until, due_at, settled_at, expect, expect_at,
      (SELECT issues IS NOT NULL FROM body WHERE id = sync.body) AS has_issues
    FROM sync WHERE key = :key`);
  const write = connection.write(`
    UPDATE sync SET nudges = nudges + 1, look = :look, expect = :expect, expect_at = :expectAt,
      due_at = coalesce(:dueAt, due_at), lane = CASE WHEN :dueAt IS NULL THEN lane ELSE 'now' END
    WHERE key = :key`);
  const nudge = (key: SyncKey, options: NudgeOptions): Due | undefined => {
    const old = record({ key });
    if (old === undefined) return undefined;
    const nudged = nudgeOf(nudgeable(old), options);
    if (!nudged.writes) return nudged.due;
    const { verify, expect, dueAt = null } = nudged;
    write({ key, look: verify ? 1 : 0, expect: expect?.version ?? null, expectAt: expect?.at ?? null, dueAt });
    return nudged.due;
  };
  return {
    nudge: (key, options) => connection.change("nudge", () => nudge(key, options)),
    nudgeAll: async (keys, options) => {
      // Each in its own operation, so that a long list blocks nothing: they share commits of up to 256.
      const nudged = await Promise.all(
        [...new Set(keys)].map((key) => connection.change("nudge", () => nudge(key, options))),
      );
      return nudged.filter((due) => due !== undefined);
    },
  };
}

function nudgeable(old: HotRecord) {
  const { key, grp: group, lane, nudges } = old;
  return {
    ...{ key, group, lane, nudges },
    verify: old.look === 1,
    nudgesSeen: set(old.nudges_seen),
    leaseUntil: set(old.lease_until),
    dueAt: set(old.due_at),
    settledAt: set(old.settled_at),
    hasIssues: old.has_issues === 1,
    expect: expectOf(old).expect,
  };
}

function set(column: number | null): number | undefined {
  return column ?? undefined;
}
