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

export interface MatchedKeys {
  readonly keys: readonly SyncKey[];
  /** Texts without a match, each with a complaint that may suggest another key. */
  readonly missing: readonly { readonly text: string; readonly complaint: string }[];
}

/**
 * The keys that these texts select: keys, and patterns with `*` for any characters. Reads `known` only when necessary.
 */
export async function matchedKeys(
  texts: readonly string[],
  has: (key: SyncKey) => Promise<boolean>,
  known: () => Promise<readonly SyncKey[]>,
): Promise<MatchedKeys> {
  const chosen = new Set<SyncKey>();
  const missing: { readonly text: string; readonly complaint: string }[] = [];
  for (const text of texts) {
    const isPattern = text.includes("*");
    const key = text as SyncKey;
    if (!isPattern && parseKey(text) !== undefined && (await has(key))) chosen.add(key);
    else if (isPattern) {
      const found = (await known()).filter(toMatcher(text));
      for (const match of found) chosen.add(match);
      if (found.length === 0) missing.push({ text, complaint: "no sync matches: keyferry status lists them" });
    } else missing.push({ text, complaint: unknown(text, await known()) });
  }
  return { keys: [...chosen], missing };
}

/** The same; throws an InputError for all texts without a match. */
export async function chosenKeys(...selection: Parameters<typeof matchedKeys>): Promise<readonly SyncKey[]> {
  const { keys, missing } = await matchedKeys(...selection);
  refuse(selection[0], missing);
  return keys;
}

/** Throws an InputError for all texts that are neither keys nor patterns, with suggestions. */
export async function mustBeKeys(texts: readonly string[], known: () => Promise<readonly SyncKey[]>): Promise<void> {
  const wrong = texts.filter((text) => !text.includes("*") && parseKey(text) === undefined);
  if (wrong.length === 0) return;
  const all = await known();
  refuse(
    texts,
    wrong.map((text) => ({ text, complaint: unknown(text, all) })),
  );
}

/** Throws an InputError with all complaints, if there are some. */
export function refuse(texts: readonly string[], missing: MatchedKeys["missing"]): void {
  if (missing.length === 0) return;
  const complaints = missing.map(({ text, complaint }) => (texts.length === 1 ? complaint : `${text}: ${complaint}`));
  throw new InputError(texts.join(" "), complaints);
}

function unknown(text: string, known: readonly SyncKey[]): string {
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
