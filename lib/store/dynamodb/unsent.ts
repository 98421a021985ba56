import type { SyncKey } from "../../keys.ts";
import type { SyncStore, Unsent } from "../../ports/store.ts";
import { all, itemExists, unsentIsStill } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { OVERTAKEN, untilItHolds } from "./contention.ts";
import { type SyncItem, stateOf, unsentAttributes } from "./rows.ts";
import { SHARDS, syncAt } from "./table.ts";

/** Domain events that a settle stored, until they are sent. */
export function unsentStore(connection: Connection): Pick<SyncStore, "unsent" | "clearUnsent"> {
  return {
    unsent: async (before, limit) => {
      connection.count("unsent");
      const shards = Array.from({ length: SHARDS }, (_, shard) => oldestOf(connection, shard, before, limit));
      const oldest = (await Promise.all(shards)).flat().sort((a, b) => a.unsentAt - b.unsentAt);
      const keys = oldest.slice(0, limit).map(({ pk }) => pk);
      const items = await connection.getAll<SyncItem>(keys.map(syncAt), "strong");
      const found = new Map(items.map((item) => [item.pk, stateOf(item, connection.damaged).unsent ?? []]));
      return keys.flatMap((key): Unsent[] => {
        const events = found.get(key) ?? [];
        return events.length === 0 ? [] : [{ key, events }];
      });
    },
    clearUnsent: (key, ids) => {
      connection.count("clearUnsent");
      return untilItHolds(key, async () => {
        const item = await connection.get<SyncItem>(syncAt(key), "strong");
        if (item?.unsent === undefined) return undefined;
        const { unsent = [] } = stateOf(item, connection.damaged);
        const left = unsent.filter(({ id }) => !ids.includes(id));
        if (left.length === unsent.length) return undefined;
        const asRead = all(itemExists, unsentIsStill(item.unsent));
        const { holds } = await connection.update(syncAt(key), { set: unsentAttributes(left) }, asRead);
        return holds ? undefined : OVERTAKEN;
      });
    },
  };
}

interface UnsentItem {
  readonly pk: SyncKey;
  readonly unsentAt: number;
}

function oldestOf(connection: Connection, shard: number, before: number, limit: number) {
  return connection
    .page<UnsentItem>(
      { index: "unsent", partition: ["unsentShard", shard], between: ["unsentAt", 0, before - 1], limit },
      undefined,
    )
    .then(({ items }) => items);
}
