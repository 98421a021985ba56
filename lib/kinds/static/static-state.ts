import type { EpochMs } from "../../clock.ts";
import type { RowState } from "../../ports/rows.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";

/** The static secret's part of a row's state (`RowState.own`). */
export interface StaticState {
  /** kv-v2: version and created_time of the last written data (lease-table 9). */
  readonly version?: WrittenVersion;
  /** Answers of kv-v2 that are older than the written data: since when, and how many (lease-table 9). */
  readonly older?: OlderAnswers;
}

/** `of`: the fingerprint of the place that it was read from; missing in rows of earlier versions. */
export interface WrittenVersion {
  readonly number: number;
  readonly createdTime: string;
  readonly of?: string;
}

export interface OlderAnswers {
  readonly since: EpochMs;
  readonly times: number;
}

/** Parses it; an unreadable one counts as missing, so that no answer counts as older. */
export function staticState({ own }: Pick<RowState, "own">): StaticState {
  const { version, olderSince, olderTimes } = asObject(own) ?? {};
  const { number, createdTime, of } = asObject(version) ?? {};
  return {
    ...(typeof number === "number" && typeof createdTime === "string"
      ? { version: { number, createdTime, ...(typeof of === "string" ? { of } : {}) } }
      : {}),
    ...(typeof olderSince === "number"
      ? { older: { since: olderSince, times: typeof olderTimes === "number" ? olderTimes : 1 } }
      : {}),
  };
}

/** The state's member; none when it is empty. */
export function ownStatic({ version, older }: StaticState): { readonly own?: Json } {
  const own = {
    ...(version === undefined ? {} : { version: { ...version } }),
    ...(older === undefined ? {} : { olderSince: older.since, olderTimes: older.times }),
  };
  return Object.keys(own).length === 0 ? {} : { own };
}
