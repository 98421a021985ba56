import type { SyncKey } from "../../keys.ts";
import type { Ref } from "../../ports/refs.ts";
import { type Place, type Pushed, pushPlace, type RowState, refsOf } from "../../ports/rows.ts";
import type { PathTaken } from "../../ports/store.ts";
import { keepsPath } from "../kept-path.ts";
import type { Connection } from "./connection.ts";
import type { SyncRecord } from "./rows.ts";

/** Index tables of places and references, derived from the rows' states. */
export interface Indexes {
  /** Writes only the differences between the two states. */
  move(key: SyncKey, before: RowState | undefined, after: RowState | undefined): void;
  /** Claims these paths; or returns one that another row holds, and writes nothing. */
  claimPushes(key: SyncKey, before: RowState, pushed: readonly Pushed[]): PathTaken | undefined;
}

/** Stored with a final slash, so that a prefix ends between two segments. */
export function storedPath(path: string): string {
  return `${path}/`;
}

export function indexes(connection: Connection): Indexes {
  const addRef = connection.index("INSERT INTO ref (ref, key) VALUES (:ref, :key) ON CONFLICT DO NOTHING");
  const removeRef = connection.index("DELETE FROM ref WHERE ref = :ref AND key = :key");
  const addPlace = connection.index(
    "INSERT INTO place (vault, path, role, key) VALUES (:vault, :path, :role, :key) ON CONFLICT DO NOTHING",
  );
  const removePlace = connection.index(
    "DELETE FROM place WHERE vault = :vault AND path = :path AND role = :role AND key = :key",
  );
  // A row that is gone holds nothing.
  const holder = connection.one<Pick<SyncRecord, "key" | "lease_until" | "pushed">>(`
    SELECT place.key, lease_until, pushed FROM place
      JOIN sync ON sync.key = place.key JOIN body ON body.id = sync.body
    WHERE vault = :vault AND path = :path AND role = 'push' AND place.key <> :key`);
  const freePlace = connection.index("DELETE FROM place WHERE vault = :vault AND path = :path AND role = 'push'");
  const put = (key: SyncKey, place: Place) => addPlace({ key, ...place, path: storedPath(place.path) });
  const take = (key: SyncKey, place: Place) => removePlace({ key, ...place, path: storedPath(place.path) });
  return {
    move: (key, before, after) => {
      const [left, joined] = difference(before ? refsOf(before) : [], after ? refsOf(after) : [], (ref: Ref) => ref);
      for (const ref of left) removeRef({ ref, key });
      for (const ref of joined) addRef({ ref, key });
      const [gone, come] = difference(placesOf(before), placesOf(after), idOf);
      for (const place of gone) take(key, place);
      for (const place of come) put(key, place);
    },
    claimPushes: (key, before, pushed) => {
      const [, come] = difference(placesOf(before), pushed.map(pushPlace), idOf);
      for (const place of come) {
        const other = holder({ vault: place.vault, path: storedPath(place.path), key });
        if (other !== undefined && keepsPath(other.lease_until, other.pushed, place)) {
          return { taken: place, by: other.key };
        }
      }
      for (const place of come) {
        freePlace({ vault: place.vault, path: storedPath(place.path) });
        put(key, place);
      }
      return undefined;
    },
  };
}

/** The places by which a row is found: the one that it reads, and its claimed paths. */
function placesOf(state: RowState | undefined): readonly Place[] {
  const { place, pushed = [] } = state ?? {};
  return [...(place?.role === "read" ? [place] : []), ...pushed.map(pushPlace)];
}

function idOf({ vault, path, role }: Place): string {
  return JSON.stringify([vault, path, role]);
}

/** Removed and added items. */
function difference<T>(before: readonly T[], after: readonly T[], idOf: (item: T) => string): [T[], T[]] {
  const was = new Set(before.map(idOf));
  const is = new Set(after.map(idOf));
  return [before.filter((item) => !is.has(idOf(item))), after.filter((item) => !was.has(idOf(item)))];
}
