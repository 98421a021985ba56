import { unlessTooLarge } from "../../errors.ts";
import type { SyncKey } from "../../keys.ts";
import type { Due, NudgeOptions, SyncStore } from "../../ports/store.ts";
import { nudgeOf } from "../nudging.ts";
import { all, fenceIsStill, leaseIsStill, noNudgeSince } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { OVERTAKEN, untilItHolds } from "./contention.ts";
import { type Changes, expectOf, nudgesSeenOf, type SyncItem } from "./rows.ts";
import { syncAt } from "./table.ts";

/** How many rows are written at once. */
const AT_ONCE = 16;
/** How many rows are read in a batch. */
const BATCH = 100;

/**
 * Requests work: a read, and a write unless the row is worked on anyway. A blind write would only be cheaper if it
 * always succeeded: a refused one costs as much (lease-table 24).
 */
export function nudging(connection: Connection): Pick<SyncStore, "nudge" | "nudgeAll"> {
  const nudge = (key: SyncKey, options: NudgeOptions, read?: SyncItem): Promise<Due | undefined> => {
    let known = read;
    connection.count("nudge");
    const nudged = untilItHolds(key, async () => {
      const old = known ?? (await connection.get<SyncItem>(syncAt(key), "strong"));
      known = undefined;
      return old === undefined ? undefined : write(connection, old, options);
    });
    return unlessTooLarge(nudged, () => {
      // A full row takes no nudge: no reason to fail those of others.
      connection.damaged(key);
      return undefined;
    });
  };
  return {
    nudge: (key, options) => nudge(key, options),
    nudgeAll: async (keys, options) => {
      const dues: Due[] = [];
      for (const some of chunks([...new Set(keys)], BATCH)) {
        const items = await connection.getAll<SyncItem>(some.map(syncAt), "strong");
        for (const few of chunks(items, AT_ONCE)) {
          const nudged = await Promise.all(few.map((item) => nudge(item.pk, options, item)));
          for (const due of nudged) if (due !== undefined) dues.push(due);
        }
      }
      return dues;
    },
  };
}

async function write(connection: Connection, old: SyncItem, options: NudgeOptions) {
  const nudged = nudgeOf(nudgeable(old), options);
  if (!nudged.writes) return nudged.due;
  const { verify, expect, dueAt } = nudged;
  const set: Changes = {
    look: verify,
    expectVersion: expect?.version,
    expectAt: expect?.at,
    ...(dueAt === undefined ? {} : { dueAt, lane: "now" }),
  };
  const { holds } = await connection.update(syncAt(old.pk), { set, add: { nudges: 1 } }, itIsAsItWasRead(old));
  return holds ? nudged.due : OVERTAKEN;
}

/** Every claim, settle, declaration and nudge changes one of these, so its times are unchanged, too. */
function itIsAsItWasRead({ fence, leaseUntil, nudges }: SyncItem) {
  return all(fenceIsStill(fence), leaseIsStill(leaseUntil), noNudgeSince(nudges));
}

function nudgeable(old: SyncItem) {
  const { pk: key, grp: group, lane, nudges, look: verify, leaseUntil, dueAt, settledAt } = old;
  return {
    ...{ key, group, lane, nudges, verify, leaseUntil, dueAt, settledAt },
    nudgesSeen: nudgesSeenOf(old),
    hasIssues: old.issues !== undefined,
    expect: expectOf(old).expect,
  };
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return [...Map.groupBy(items, (_, n) => Math.floor(n / size)).values()];
}
