import { fingerprint } from "../digest.ts";
import type { SyncKey } from "../keys.ts";
import type { ChangedPlace } from "../ports/look-up.ts";
import { pushPlace } from "../ports/rows.ts";
import type { NudgeOptions, PlaceEntry, PlaceQuery } from "../ports/store.ts";
import { pagesOf } from "../references/referring.ts";
import { sendDue } from "../schedule/messages.ts";
import type { NudgingDeps } from "./deps.ts";

/** Keys whose hashes fit into a message. */
const MOST_FOUND = 100;
const HASH = 8;
/** Rows below a place that are nudged at once. */
const MOST_BELOW = 500;

export interface NudgedPlace {
  readonly nudged: number;
  /** Hashes of the keys that were found. */
  readonly found: readonly string[] | "many";
  /** There are so many rows below that none was nudged: a sweep spreads them. */
  readonly isWide?: true;
}

/** Whether a row that was found is to be nudged. */
export type IsMeant = (keys: readonly SyncKey[]) => Promise<readonly SyncKey[]>;

/** Nudges the rows that read or push at a place that changed. */
export async function nudgePlace(
  deps: NudgingDeps,
  vault: string,
  place: ChangedPlace,
  isMeant: IsMeant = async (keys) => keys,
): Promise<NudgedPlace> {
  const pages = place.where === "path" ? pagesAt(deps, vault, { path: place.path }) : await below(deps, vault, place);
  if (pages === "wide") return { nudged: 0, found: "many", isWide: true };
  const found = new Set<string>();
  let nudged = 0;
  for await (const entries of pages) {
    for (const { key } of entries) if (found.size <= MOST_FOUND) found.add(hashOf(key));
    const others = await withoutOwnPushes(deps, vault, place, entries);
    const keys = await isMeant([...new Set(others.map(({ key }) => key))]);
    nudged += await nudge(deps, keys, place);
  }
  return { nudged, found: found.size > MOST_FOUND ? "many" : [...found] };
}

function pagesAt({ leases }: NudgingDeps, vault: string, query: PlaceQuery): AsyncIterable<readonly PlaceEntry[]> {
  return pagesOf((page) => leases.byPlace(vault, query, page));
}

/** All rows below, unless they are too many to come at once. */
async function below(
  deps: NudgingDeps,
  vault: string,
  place: ChangedPlace,
): Promise<readonly (readonly PlaceEntry[])[] | "wide"> {
  const entries: PlaceEntry[] = [];
  for await (const page of pagesAt(deps, vault, { prefix: place.path })) {
    entries.push(...page.filter((entry) => isUnder(entry, place)));
    if (entries.length > MOST_BELOW) return "wide";
  }
  return [entries];
}

function isUnder({ path }: PlaceEntry, { endsWith }: ChangedPlace): boolean {
  return endsWith === undefined || path.endsWith(`/${endsWith}`);
}

/** For comparisons with `found`. */
export function hashOf(key: SyncKey): string {
  return fingerprint(key).slice(0, HASH);
}

async function nudge(deps: NudgingDeps, keys: readonly SyncKey[], place: ChangedPlace): Promise<number> {
  if (keys.length === 0) return 0;
  const options: NudgeOptions = { now: deps.clock(), verify: place.lease ?? false };
  // Two steps where versions begin anew and the first of them is known. What the first one made due, the second one
  // takes for sent.
  const isAnew = place.forget && place.version !== undefined;
  const first = isAnew ? await deps.leases.nudgeAll(keys, { ...options, expect: "forget" }) : [];
  const then = await deps.leases.nudgeAll(keys, { ...options, ...expectOf(place) });
  const dues = [...new Map([...first, ...then].map((due) => [due.key, due])).values()];
  await sendDue(deps.queue, dues, deps.clock());
  return dues.length;
}

/** Without a version something is expected, so that an unchanged answer is read again. */
function expectOf({ version, forget, at }: ChangedPlace): Pick<NudgeOptions, "expect"> {
  return { expect: forget && version === undefined ? "forget" : { version: version ?? 0, at } };
}

/** What a row pushed itself, by its recorded version, is no news to it; but not where versions have begun anew. */
async function withoutOwnPushes(
  { leases }: NudgingDeps,
  vault: string,
  { path, version, changedAfter, forget }: ChangedPlace,
  entries: readonly PlaceEntry[],
): Promise<readonly PlaceEntry[]> {
  const pushes = entries.filter(({ role }) => role === "push");
  if (version === undefined || changedAfter || forget || pushes.length === 0) return entries;
  const rows = await leases.read(
    pushes.map(({ key }) => key),
    "strong",
  );
  const isOwn = ({ key, role }: PlaceEntry): boolean =>
    role === "push" &&
    (rows.get(key)?.state.pushed ?? []).some(
      (pushed) => pushed.vault === vault && pushPlace(pushed).path === path && pushed.version === version,
    );
  return entries.filter((entry) => !isOwn(entry));
}
