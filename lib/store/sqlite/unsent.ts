import type { SyncKey } from "../../keys.ts";
import type { SyncStore, Unsent } from "../../ports/store.ts";
import type { Connection } from "./connection.ts";
import { bodyParams, READ_ROW, type SyncRecord, stateOf, unsentAt } from "./rows.ts";

/** Domain events that a settle stored, until they are sent. */
export function unsentStore(connection: Connection): Pick<SyncStore, "unsent" | "clearUnsent"> {
  const oldest = connection.all<{ readonly key: SyncKey }>(
    "SELECT key FROM sync WHERE unsent_at < :before ORDER BY unsent_at LIMIT :limit",
  );
  const record = connection.one<SyncRecord>(READ_ROW);
  const sync = connection.write("UPDATE sync SET unsent_at = :unsentAt WHERE key = :key");
  const body = connection.part("UPDATE body SET state = :state WHERE id = :body");
  return {
    unsent: (before, limit) =>
      connection.read("unsent", () =>
        oldest({ before, limit }).flatMap(({ key }): Unsent[] => {
          const found = record({ key });
          const { unsent = [] } = found === undefined ? {} : stateOf(found, connection.damaged);
          return unsent.length === 0 ? [] : [{ key, events: unsent }];
        }),
      ),
    clearUnsent: (key, ids) =>
      connection.change("clearUnsent", () => {
        const found = record({ key });
        if (found === undefined) return;
        const { unsent = [], ...state } = stateOf(found, connection.damaged);
        const left = unsent.filter(({ id }) => !ids.includes(id));
        if (left.length === unsent.length) return;
        const after = left.length === 0 ? state : { ...state, unsent: left };
        sync({ key, unsentAt: unsentAt(after) });
        body({ body: found.body, state: bodyParams(after).state });
      }),
  };
}
