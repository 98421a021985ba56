import { asObject } from "../util/canonical.ts";
import type { JsonObject } from "../util/json.ts";

/**
 * Converts a row's state from the first layout of the lease table: the parts of static secrets become a member of their
 * own.
 */
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
