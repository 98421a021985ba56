import { JSONStringified } from "@aws-lambda-powertools/parser/helpers";
import { z } from "zod";
import { parseKey, type SyncKey } from "../keys.ts";
import type { WorkMessage } from "../ports/queue.ts";

/** The wire format of our messages. `v` changes when an older function must not read them. */
const VERSION = 1;

/** A key without the "#uid" of a clean-up has 63 + 253 characters at most, plus kind and slashes. */
const MAX_KEY = 1_024;

const key = z
  .string()
  .max(MAX_KEY)
  .refine((text) => parseKey(text) !== undefined, "must be a key");

const clusterName = z.string().min(1).max(63);

const work = JSONStringified(
  z.strictObject({
    v: z.literal(VERSION),
    lane: z.enum(["renew", "now", "refresh"]),
    at: z.int().nonnegative(),
    keys: z.array(key).max(100),
    probe: z.string().min(1).max(MAX_KEY).exactOptional(),
    tokens: z.strictObject({ cluster: clusterName.exactOptional() }).exactOptional(),
  }),
);

const looks = JSONStringified(
  z.strictObject({
    v: z.literal(VERSION),
    looks: z.array(z.strictObject({ cluster: clusterName, fence: z.int().nonnegative() })).max(100),
  }),
);

/** A request for a watch pass, with the fence of the cluster's row when it was sent: 0 without a row. */
export interface WatchPassRequest {
  readonly cluster: string;
  readonly fence: number;
}

export function workBody(message: WorkMessage): string {
  return JSON.stringify({ v: VERSION, ...message });
}

/** Undefined: not a keyferry message. */
export function parseWork(body: string): WorkMessage | undefined {
  const { data } = work.safeParse(body);
  if (!data) return undefined;
  const { keys, v: _version, ...message } = data;
  return { ...message, keys: keys as SyncKey[] };
}

export function watchPassesBody(requests: readonly WatchPassRequest[]): string {
  return JSON.stringify({ v: VERSION, looks: requests });
}

/** Undefined: not a keyferry message. */
export function parseWatchPasses(body: string): readonly WatchPassRequest[] | undefined {
  return looks.safeParse(body).data?.looks;
}
