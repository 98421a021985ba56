import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import type { Declared, Row } from "../../ports/rows.ts";
import type { Connection } from "./connection.ts";
import type { Consistency } from "./reads.ts";
import { type Changes, declaredOf, declaredText, rowOf, type SyncItem } from "./rows.ts";
import { bodyAt, syncAt } from "./table.ts";

/** A declaration up to this size stands in its row, in bytes: so that a row stays under 4 KB (lease-table 25). */
const MAX_IN_ROW = 3_000;

interface BodyItem {
  readonly pk: string;
  readonly declared: string;
}

/** Declarations: in their rows, or in items of their own when they are big. */
export interface Bodies {
  /** Writes it if it is big; answers the row's attributes. `version` never comes again for this key and uid. */
  store(declared: Declared, version: string): Promise<Changes>;
  /** Removes what a row no longer names. */
  forget(item: Pick<SyncItem, "bodyId"> | undefined): Promise<void>;
  /** Rows with their declarations; `known` is one that may still hold. */
  rowOf(item: SyncItem, known: Declared): Promise<Row>;
  rowsOf(items: readonly SyncItem[], consistency: Consistency): Promise<readonly Row[]>;
}

export function bodies(connection: Connection): Bodies {
  const rowsOf: Bodies["rowsOf"] = async (items, consistency) => {
    const texts = await textsOf(connection, items, consistency);
    const incomplete = items.filter((item) => textOf(item, texts) === undefined);
    // Declared anew between the two reads, or the one lags behind the other.
    const again = incomplete.length === 0 ? [] : await readAgain(connection, incomplete);
    const complete = items.flatMap((item) => {
      const text = textOf(item, texts);
      return text === undefined ? [] : rowIfSound(connection, item, text);
    });
    return [...complete, ...again];
  };
  return {
    store: async (declared, version) => {
      const text = declaredText(declared);
      if (Buffer.byteLength(text) <= MAX_IN_ROW) return { declared: text, bodyId: undefined };
      const bodyId = fingerprint(declared.key, declared.uid, declared.hash, version);
      await connection.put({ ...bodyAt(bodyId), declared: text });
      return { declared: undefined, bodyId };
    },
    forget: async (item) => {
      if (item?.bodyId !== undefined) await connection.remove(bodyAt(item.bodyId));
    },
    rowOf: async (item, known) => {
      if (item.declaredHash === known.hash && item.uid === known.uid) return rowOf(item, known, connection.damaged);
      const [row] = await rowsOf([item], "strong");
      if (row === undefined) throw new SyncError("STORE_UNAVAILABLE", `${item.pk} went while it was read`);
      return row;
    },
    rowsOf,
  };
}

async function readAgain(connection: Connection, items: readonly SyncItem[]): Promise<readonly Row[]> {
  const fresh = await connection.getAll<SyncItem>(
    items.map((item) => syncAt(item.pk)),
    "strong",
  );
  const texts = await textsOf(connection, fresh, "strong");
  // One that is still missing has been lost: it must not keep back those that were asked for with it.
  return fresh.flatMap((item) => rowIfSound(connection, item, textOf(item, texts)));
}

/** Nothing when it can't be read. */
function rowIfSound({ damaged }: Connection, item: SyncItem, text: string | undefined): readonly Row[] {
  const declared = text === undefined ? undefined : declaredOf(item, text);
  if (declared !== undefined) return [rowOf(item, declared, damaged)];
  damaged(item.pk);
  return [];
}

function textOf(item: SyncItem, texts: ReadonlyMap<string, string>): string | undefined {
  return item.declared ?? texts.get(item.bodyId ?? "");
}

/** By id. */
async function textsOf(
  connection: Connection,
  items: readonly SyncItem[],
  consistency: Consistency,
): Promise<ReadonlyMap<string, string>> {
  const ids = items.flatMap(({ bodyId }) => (bodyId === undefined ? [] : [bodyId]));
  if (ids.length === 0) return new Map();
  const found = await connection.getAll<BodyItem>(ids.map(bodyAt), consistency);
  const byKey = new Map(found.map(({ pk, declared }) => [pk, declared]));
  return new Map(
    ids.flatMap((id): [string, string][] => {
      const text = byKey.get(bodyAt(id).pk);
      return text === undefined ? [] : [[id, text]];
    }),
  );
}
