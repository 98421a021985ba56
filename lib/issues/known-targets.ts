import type { LeaseStore } from "../ports/store.ts";
import type { Json } from "../util/json.ts";

/** How many targets are kept in memory. Most fleets have a few for each Vault. */
const MOST_KNOWN = 500;

/**
 * A store that reads each target once: it never changes under its digest, and each renewal needs one. One that is
 * missing is asked for again.
 */
export function withKnownTargets(store: LeaseStore): LeaseStore {
  const known = new Map<string, Json>();
  return {
    ...store,
    async target(digest) {
      const found = known.get(digest) ?? (await store.target(digest));
      if (found === undefined) return undefined;
      // Used last, so forgotten last.
      known.delete(digest);
      known.set(digest, found);
      const [oldest] = known.keys();
      if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest);
      return found;
    },
  };
}
