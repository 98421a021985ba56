import { fingerprint } from "../../digest.ts";
import type { SyncKey } from "../../keys.ts";
import { TARGET_KEPT_MS, type TargetStore } from "../../ports/store.ts";
import { canonical } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";
import { parsed } from "../stored.ts";
import {
  all,
  either,
  isUnnamed,
  itemExists,
  itemIsAbsent,
  itsFenceIsStill,
  unnamedSinceIsStill,
} from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { isClaimed, type SyncItem } from "./rows.ts";
import { partitionOfRef, refAt, syncAt, TARGETS, targetAt } from "./table.ts";

interface TargetItem {
  readonly sk: string;
  readonly target: string;
  /** Since when no row was found that uses it. */
  readonly unnamedSince?: number;
}

/** How many rows are checked at once for their targets. */
const AT_ONCE = 25;

/** How to reach the Vaults of issues. */
export function targetStore(connection: Connection): TargetStore {
  return {
    putTarget: async (target: Json, by: SyncKey) => {
      connection.count("putTarget");
      const digest = fingerprint("target", canonical(target));
      // Written first, so that a sweep leaves the target alone. The row's next fence may remove it.
      await connection.indexPut({ ...refAt(`target:${digest}`, by), fence: 0 }, itemIsAbsent);
      const item = { ...targetAt(digest), target: JSON.stringify(target) };
      await connection.put(item, either(itemIsAbsent, isUnnamed));
      return digest;
    },
    target: async (digest) => {
      connection.count("target");
      const item = await connection.get<TargetItem>(targetAt(digest), "strong");
      return item && (parsed(item.target) as Json | undefined);
    },
    targets: async () => {
      connection.count("targets");
      const items = await connection.query<TargetItem>({ partition: ["pk", TARGETS] });
      return items.map(({ sk }) => sk);
    },
    sweepTargets: async (now) => {
      connection.count("sweepTargets");
      let swept = 0;
      for (const { sk: digest, unnamedSince } of await connection.query<TargetItem>({ partition: ["pk", TARGETS] })) {
        if (await isNamed(connection, digest, now)) continue;
        if (unnamedSince === undefined) {
          await connection.update(targetAt(digest), { set: { unnamedSince: now } }, itemExists);
        } else if (now - unnamedSince >= TARGET_KEPT_MS) {
          const { holds } = await connection.remove(
            targetAt(digest),
            all(itemExists, unnamedSinceIsStill(unnamedSince)),
          );
          if (holds) swept++;
        }
      }
      return swept;
    },
  };
}

/** Whether a row uses it. A row that stored it but never recorded the issue does not, once its lease is over. */
async function isNamed(connection: Connection, digest: string, now: number): Promise<boolean> {
  const query = { partition: ["pk", partitionOfRef(`target:${digest}`)], limit: AT_ONCE } as const;
  for await (const page of connection.pages<{ readonly sk: SyncKey; readonly fence?: number }>(query)) {
    const rows = await connection.getAll<SyncItem>(
      page.map(({ sk }) => syncAt(sk)),
      "strong",
    );
    const named = new Set(
      rows.filter((row) => isClaimed(row, now) || row.issues?.includes(digest)).map(({ pk }) => pk),
    );
    if (named.size > 0) return true;
    // The row may have named it since, and has a higher fence then.
    for (const { sk, fence } of page)
      await connection.indexRemove(refAt(`target:${digest}`, sk), all(itemExists, itsFenceIsStill(fence)));
  }
  return false;
}
