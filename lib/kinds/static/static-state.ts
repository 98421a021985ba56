import type { EpochMs } from "../../clock.ts";
import type { RowState } from "../../ports/rows.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";

/** The static secret's part of a row's state (`RowState.own`). */
export interface StaticState {
  /** kv-v2: version and created_time of the last written data (lease-table 9). */
  readonly version?: { readonly number: number; readonly createdTime: string };
  /** Since when kv-v2 answers are older than the written data (lease-table 9). */
  readonly olderSince?: EpochMs;
}

/** Parses it; an unreadable one counts as missing, so that no answer counts as older. */
export function staticState({ own }: Pick<RowState, "own">): StaticState {
  const { version, olderSince } = asObject(own) ?? {};
  const { number, createdTime } = asObject(version) ?? {};
  return {
    ...(typeof number === "number" && typeof createdTime === "string" ? { version: { number, createdTime } } : {}),
    ...(typeof olderSince === "number" ? { olderSince } : {}),
  };
}

/** The state's member; none when it is empty. */
export function ownStatic({ version, olderSince }: StaticState): { readonly own?: Json } {
  const own = {
    ...(version === undefined ? {} : { version: { ...version } }),
    ...(olderSince === undefined ? {} : { olderSince }),
  };
  return Object.keys(own).length === 0 ? {} : { own };
}
