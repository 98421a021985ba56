import { asObject } from "../util/canonical.ts";
import type { JsonObject } from "../util/json.ts";

/** A row's state as the first layout of the lease table had it, in today's members: what only static secrets know is a part of its own. */
export function stateOfFirst(first: JsonObject): JsonObject {
  const { source: _hash, vault, version, olderSince, doneHash, ...rest } = first;
  const own = {
    ...asObject(rest.own),
    ...(version === undefined ? {} : { version }),
    ...(olderSince === undefined ? {} : { olderSince }),
  };
  return {
    ...rest,
    ...(vault === undefined ? {} : { waitsFor: vault }),
    ...(doneHash === undefined ? {} : { appliedHash: doneHash }),
    ...(Object.keys(own).length === 0 ? {} : { own }),
  };
}
