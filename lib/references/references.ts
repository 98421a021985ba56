import type { ReferenceKey } from "../keys.ts";
import type { Reference } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";

/** Reads references from the store, each once per batch (lease-table 23). */
export interface ReferenceReader {
  has(key: ReferenceKey): boolean;
  get(key: ReferenceKey): Reference | undefined;
  load(keys: readonly ReferenceKey[]): Promise<void>;
}

export function referenceReader(
  leases: Pick<LeaseStore, "references">,
  consistency: "strong" | "eventual",
): ReferenceReader {
  const known = new Map<ReferenceKey, Reference | undefined>();
  const loading = new Map<ReferenceKey, Promise<void>>();
  return {
    has: (key) => known.has(key),
    get: (key) => known.get(key),
    async load(keys) {
      const unasked = keys.filter((key) => !known.has(key) && !loading.has(key));
      if (unasked.length > 0) {
        const load = leases.references(unasked, consistency).then((found) => {
          for (const key of unasked) known.set(key, found.get(key));
        });
        for (const key of unasked) loading.set(key, load);
      }
      await Promise.all(keys.map((key) => loading.get(key)));
    },
  };
}

/** A sync refers to a VaultAuth, which refers to a connection: more steps mean a loop. */
const MAX_ROUNDS = 8;

/**
 * Repeats a pure resolve until all references that it needs are loaded. Loads its previous references (`ahead`) first,
 * which usually suffices.
 */
export async function withReferences<T>(
  reader: ReferenceReader,
  resolve: (get: (key: ReferenceKey) => Reference | undefined) => T,
  ahead: readonly ReferenceKey[] = [],
): Promise<T> {
  await reader.load(ahead);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const unknown = new Set<ReferenceKey>();
    const result = resolve((key) => {
      if (!reader.has(key)) unknown.add(key);
      return reader.get(key);
    });
    if (unknown.size === 0) return result;
    await reader.load([...unknown]);
  }
  throw new Error(`references nest deeper than ${MAX_ROUNDS} steps`);
}
