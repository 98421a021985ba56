import { InputError } from "../lib/errors.ts";
import { parseKey, type SyncKey } from "../lib/keys.ts";
import { toMatcher } from "../lib/namespaces.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import { isReferenceStatus } from "../lib/resource-kinds.ts";
import { nearest } from "../lib/util/nearest.ts";

const SHAPE =
  "it must be CLUSTER/KIND/NAMESPACE/NAME, for example prod-eu/VaultStaticSecret/pay/db: keyferry status lists them";

/** The maximum number of typing errors when a key is guessed. */
const MAX_SLIPS = 5;

/** Keys of all syncs that the table has for these clusters, or for all clusters. */
export async function knownKeys(leases: LeaseStore, clusters?: readonly string[]): Promise<readonly SyncKey[]> {
  const keys: SyncKey[] = [];
  for (const name of clusters ?? (await leases.clusters()).map((cluster) => cluster.name)) {
    for (const { key } of await leases.byCluster(name)) if (!isReferenceStatus(key)) keys.push(key);
  }
  return keys.sort();
}

/**
 * The keys that these texts select: keys, and patterns with `*` for any characters. Throws an InputError for all texts
 * without a match, with suggestions. Reads `known` only when necessary.
 */
export async function chosenKeys(
  texts: readonly string[],
  has: (key: SyncKey) => Promise<boolean>,
  known: () => Promise<readonly SyncKey[]>,
): Promise<readonly SyncKey[]> {
  const chosen = new Set<SyncKey>();
  const complaints: string[] = [];
  for (const text of texts) {
    const isPattern = text.includes("*");
    const key = text as SyncKey;
    if (!isPattern && parseKey(text) !== undefined && (await has(key))) chosen.add(key);
    else if (isPattern) {
      const found = (await known()).filter(toMatcher(text));
      for (const match of found) chosen.add(match);
      if (found.length === 0) complaints.push(says(texts, text, "no sync matches: keyferry status lists them"));
    } else complaints.push(says(texts, text, missing(text, await known())));
  }
  if (complaints.length > 0) throw new InputError(texts.join(" "), complaints);
  return [...chosen];
}

function says(texts: readonly string[], text: string, complaint: string): string {
  return texts.length === 1 ? complaint : `${text}: ${complaint}`;
}

function missing(text: string, known: readonly SyncKey[]): string {
  const near = nearest(text, known, () => MAX_SLIPS) ?? sameName(text, known);
  const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
  return parseKey(text) === undefined ? `${SHAPE}${hint}` : `there is no such sync${hint}: keyferry status lists them`;
}

/** `db` or `pay/db` may be the end of exactly one key. */
function sameName(text: string, known: readonly SyncKey[]): SyncKey | undefined {
  const [only, ...others] = known.filter((key) => key.endsWith(`/${text}`));
  return others.length === 0 ? only : undefined;
}

/** The same for an open lease table. */
export function keysIn(leases: LeaseStore, texts: readonly string[]): Promise<readonly SyncKey[]> {
  let all: Promise<readonly SyncKey[]> | undefined;
  const known = (): Promise<readonly SyncKey[]> => {
    all ??= knownKeys(leases);
    return all;
  };
  return chosenKeys(texts, async (key) => (await leases.read([key], "strong")).has(key), known);
}
