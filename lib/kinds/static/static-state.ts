import type { EpochMs } from "../../clock.ts";
import type { RowState } from "../../ports/rows.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";

/** What a static secret's row knows beside what all rows do (`RowState.own`). */
export interface StaticState {
  /** kv-v2: version and created_time of what was last written (lease-table 9). */
  readonly version?: { readonly number: number; readonly createdTime: string };
  /** kv-v2 answers are older than what was written, since then (lease-table 9). */
  readonly olderSince?: EpochMs;
}

/** Reads it; what can't be read is as if it had not been there: then no answer counts as older. */
export function staticState({ own }: Pick<RowState, "own">): StaticState {
  const { version, olderSince } = asObject(own) ?? {};
  const { number, createdTime } = asObject(version) ?? {};
  return {
    ...(typeof number === "number" && typeof createdTime === "string" ? { version: { number, createdTime } } : {}),
    ...(typeof olderSince === "number" ? { olderSince } : {}),
  };
}

/** The member of a state; none when there is nothing to say. */
export function ownStatic({ version, olderSince }: StaticState): { readonly own?: Json } {
  const own = {
    ...(version === undefined ? {} : { version: { ...version } }),
    ...(olderSince === undefined ? {} : { olderSince }),
  };
  return Object.keys(own).length === 0 ? {} : { own };
}
