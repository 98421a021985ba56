import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import type { JsonObject } from "../../../lib/util/json.ts";

export const MINUTE_MS = 60_000;
export const WROTE = { wrote: "it does not exist" };
export const fail =
  (code: ErrorCode, more: object = {}) =>
  () => {
    throw new SyncError(code, "why", more);
  };
export const conditions = (status: JsonObject | undefined) =>
  ((status?.conditions ?? []) as JsonObject[]).map(({ type, status: is }) => `${type} ${is}`);
export const named = (lines: readonly string[], name: string) => lines.filter((line) => line.startsWith(name));
