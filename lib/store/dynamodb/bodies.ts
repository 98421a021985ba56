import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import type { Declared, Row } from "../../ports/rows.ts";
import type { Connection } from "./connection.ts";
import type { Consistency } from "./reads.ts";
import { type Changes, declaredOf, declaredText, rowOf, type SyncItem } from "./rows.ts";
import { bodyAt, syncAt } from "./table.ts";

/** The maximum size of a declaration inside its row, in bytes, so that a row stays under 4 KB (lease-table 25). */
const MAX_IN_ROW = 3_000;

interface BodyItem {
  readonly pk: string;
  readonly declared: string;
}

/** Declarations: in their rows, or in separate items when they are large. */
export interface Bodies {
  /** Writes a large declaration; returns the row's attributes. `version` is unique for this key and uid. */
  store(declared: Declared, version: string): Promise<Changes>;
  /** Removes a body that its row no longer uses. */
  forget(item: Pick<SyncItem, "bodyId"> | undefined): Promise<void>;
  /** Rows with their declarations; `known` may still be current. */
  rowOf(item: SyncItem, known: Declared): Promise<Row>;
  rowsOf(items: readonly SyncItem[], consistency: Consistency): Promise<readonly Row[]>;
}

export function bodies(connection: Connection): Bodies {
  const rowsOf: Bodies["rowsOf"] = async (items, consistency) => {
    const texts = await textsOf(connection, items, consistency);
    const incomplete = items.filter((item) => textOf(item, texts) === undefined);
    // Changed between the two reads, or one read lags behind the other.
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
      if (row === undefined) throw new SyncError("STORE_UNAVAILABLE", `${item.pk} was deleted while it was read`);
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
  // A body that is still missing is lost; the other rows are returned.
  return fresh.flatMap((item) => rowIfSound(connection, item, textOf(item, texts)));
}

/** Nothing when the row can't be read. */
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
