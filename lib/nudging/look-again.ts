import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { Look, SeenPlace } from "../ports/look-up.ts";
import type { LookUpMessage } from "../ports/queue.ts";
import { idOf } from "./changes.ts";
import type { NudgingDeps } from "./deps.ts";
import { hashOf, nudgePlace } from "./nudge-places.ts";
import { sweepsOf } from "./sweep.ts";

/** Indexes lag, and a run may have read before a change and be found only after it. */
const AGAIN_MS = 60 * SECOND_MS;
/** A look-up that comes so late covers later changes of the same place, too. */
const COVERS_MS = 30 * SECOND_MS;
/** Places in one message, and its bytes: SQS takes 256 KiB for ten messages together. A larger place is looked up once. */
const MOST_PLACES = 25;
const MOST_BYTES = 24_000;
/** Places in memory. */
const MOST_KNOWN = 10_000;
/** Rows that were settled so long before a change were in the index by then. */
const LAG_MS = MINUTE_MS;
const BATCH = 100;

/** Sends the second look-ups of places, each place once in half a minute. */
export interface SecondLooks {
  send(places: readonly SeenPlace[]): Promise<void>;
}

export function secondLooks({ queue, clock }: Pick<NudgingDeps, "queue" | "clock">, vault: string): SecondLooks {
  const planned = new Map<string, EpochMs>();
  return {
    async send(places) {
      const now = clock();
      const at = now + AGAIN_MS;
      const isCovered = (place: SeenPlace): boolean => (planned.get(idOf(place)) ?? 0) >= now + COVERS_MS;
      const news = places.filter((place) => !isCovered(place) && sizeOf(place) <= MOST_BYTES);
      const messages = bundled(news).map((some): LookUpMessage => {
        const look: Look = { kind: "places", places: some, since: now };
        return { kind: "look-up", vault, look, at };
      });
      if (messages.length > 0) await queue.send(messages);
      // Only now: a message that was not accepted covers nothing.
      for (const place of news) keep(planned, idOf(place), at);
    },
  };
}

function keep(planned: Map<string, EpochMs>, id: string, at: EpochMs): void {
  planned.delete(id);
  planned.set(id, at);
  const [oldest] = planned.keys();
  if (planned.size > MOST_KNOWN && oldest !== undefined) planned.delete(oldest);
}

function sizeOf(place: SeenPlace): number {
  return Buffer.byteLength(JSON.stringify(place));
}

function bundled(places: readonly SeenPlace[]): readonly (readonly SeenPlace[])[] {
  const bundles: SeenPlace[][] = [];
  let bytes = 0;
  for (const place of places) {
    const size = sizeOf(place);
    const last = bundles.at(-1);
    if (last === undefined || last.length === MOST_PLACES || bytes + size > MOST_BYTES) {
      bundles.push([place]);
      bytes = size;
    } else {
      last.push(place);
      bytes += size;
    }
  }
  return bundles;
}

/** The second look-up: nudges only rows that the first one may have missed. */
export async function lookAgain(
  deps: NudgingDeps,
  vault: string,
  { places, since }: Extract<Look, { readonly kind: "places" }>,
): Promise<number> {
  let nudged = 0;
  let isWide = false;
  for (const place of places) {
    const { found, ...changed } = place;
    const isMeant = (keys: readonly SyncKey[]) =>
      found === "many" ? settledSince(deps, keys, since - LAG_MS) : unknownOf(keys, new Set(found));
    const done = await nudgePlace(deps, vault, changed, isMeant);
    nudged += done.nudged;
    if (done.isWide) isWide = true;
  }
  // More rows have joined than are nudged at once.
  if (isWide) await sweepsOf(deps, vault).request("event");
  return nudged;
}

async function unknownOf(keys: readonly SyncKey[], found: ReadonlySet<string>): Promise<readonly SyncKey[]> {
  return keys.filter((key) => !found.has(hashOf(key)));
}

/** Rows that may have joined the index since. */
async function settledSince(
  { leases }: NudgingDeps,
  keys: readonly SyncKey[],
  since: EpochMs,
): Promise<readonly SyncKey[]> {
  const recent: SyncKey[] = [];
  for (let from = 0; from < keys.length; from += BATCH) {
    const rows = await leases.read(keys.slice(from, from + BATCH), "strong");
    for (const { key, state } of rows.values()) if ((state.settledAt ?? since) >= since) recent.push(key);
  }
  return recent;
}
