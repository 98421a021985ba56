import type { SyncKey } from "../../keys.ts";
import type { Ref } from "../../ports/refs.ts";
import { type Place, type Pushed, pushPlace, type RowState, refsOf } from "../../ports/rows.ts";
import type { PathTaken } from "../../ports/store.ts";
import { keepsPath } from "../kept-path.ts";
import {
  all,
  either,
  fenceIsAtMost,
  fenceIsBelow,
  fenceIsStill,
  holderIs,
  itemExists,
  itemIsAbsent,
  itsFenceIsAtMost,
  itsFenceIsStill,
} from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { type SyncItem, stateOf } from "./rows.ts";
import { placeKey, pushAt, refAt, syncAt } from "./table.ts";
import type { Write } from "./writes.ts";

/** Records that a row refers to something. `fence` is that of the row at the time. */
interface RefItem {
  readonly fence: number;
}

interface PushItem {
  readonly syncKey: SyncKey;
  /** Of the row when it took the path; missing in items of earlier versions. */
  readonly fence?: number;
}

/**
 * Items for references and pushed paths. New ones are written before the row's settle, old ones removed after it, so
 * that a crash leaves one entry too many, never one too few. This costs half of a transaction. Fences keep late workers
 * from removing newer entries.
 */
export interface Indexes {
  /** Call before the row's write. Returns the steps to undo it when that write is lost. */
  join(key: SyncKey, fence: number, before: RowState | undefined, after: RowState): Promise<() => Promise<void>>;
  /** Call after the row's write. */
  leave(key: SyncKey, fence: number, before: RowState, after: RowState | undefined): Promise<void>;
  /** The writes of a transaction that give these paths to a row; `from` is their current holder. */
  pushWrites(key: SyncKey, fence: number, pushed: readonly Pushed[], from?: SyncKey): readonly Write[];
  /** Which of these paths another row holds, if any. The index is a hint: one that its row has not is free. */
  taken(key: SyncKey, pushed: readonly Pushed[]): Promise<PathTaken | undefined>;
}

export function indexes(connection: Connection): Indexes {
  const remove = (ref: Ref, key: SyncKey, fence: number) =>
    connection.indexRemove(refAt(ref, key), all(itemExists, fenceIsAtMost(fence)));
  /** Another worker's write may have relied on these entries, and won: what the row names now stays. */
  const undo = async (key: SyncKey, fence: number, made: readonly Ref[]): Promise<void> => {
    if (made.length === 0) return;
    const row = await connection.get<SyncItem>(syncAt(key), "strong");
    const named = new Set(row === undefined ? [] : refsOf(stateOf(row, connection.damaged)));
    const condition = all(itemExists, fenceIsStill(fence));
    const unnamed = made.filter((ref) => !named.has(ref));
    await Promise.all(unnamed.map((ref) => connection.indexRemove(refAt(ref, key), condition)));
  };
  return {
    async join(key, fence, before, after) {
      const known = new Set(before === undefined ? [] : refsOf(before));
      const joined = refsOf(after).filter((ref) => !known.has(ref));
      const made = await Promise.all(
        joined.map(async (ref) => {
          const when = either(itemIsAbsent, fenceIsBelow(fence));
          const put = await connection.indexPut<RefItem>({ ...refAt(ref, key), fence }, when);
          return put.holds && put.before === undefined ? [ref] : [];
        }),
      );
      return () => undo(key, fence, made.flat());
    },
    async leave(key, fence, before, after) {
      const kept = new Set(after === undefined ? [] : refsOf(after));
      const left = refsOf(before).filter((ref) => !kept.has(ref));
      const claimed = new Set((after?.pushed ?? []).map(idOf));
      const freed = (before.pushed ?? []).filter((pushed) => !claimed.has(idOf(pushed)));
      await Promise.all([
        ...left.map((ref) => remove(ref, key, fence)),
        ...freed.map((pushed) =>
          connection.indexRemove(pushAt(pushPlace(pushed)), all(itemExists, holderIs(key), itsFenceIsAtMost(fence))),
        ),
      ]);
    },
    pushWrites: (key, fence, pushed, from = key) =>
      pushed.map((path) => {
        const place = pushPlace(path);
        const item = { ...pushAt(place), ...placeKey(place), syncKey: key, role: place.role, fence };
        return { put: item, when: either(itemIsAbsent, holderIs(from), holderIs(key)) };
      }),
    async taken(key, pushed) {
      for (const path of pushed) {
        const place = pushPlace(path);
        const other = await connection.get<PushItem>(pushAt(place), "strong");
        if (other === undefined || other.syncKey === key) continue;
        const holder = await connection.get<SyncItem>(syncAt(other.syncKey), "strong");
        if (holder !== undefined && keepsPath(holder.leaseUntil, holder.pushed, place))
          return { taken: place, by: other.syncKey };
        // It may have taken the path again since, under another fence; or its clean-up has it now.
        await connection.indexRemove(
          pushAt(place),
          all(itemExists, holderIs(other.syncKey), itsFenceIsStill(other.fence)),
        );
      }
      return undefined;
    },
  };
}

function idOf(pushed: Pushed): string {
  const { vault, path }: Place = pushPlace(pushed);
  return JSON.stringify([vault, path]);
}
