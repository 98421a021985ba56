import type { RowState } from "../ports/rows.ts";

/** What the index of sources holds of a row. */
export function sourceOf({ place, awaits }: RowState): string | undefined {
  return place === undefined ? awaits?.[0] : `${place.vault}\n${place.path}`;
}
