import { JSONStringified } from "@aws-lambda-powertools/parser/helpers";
import { z } from "zod";
import { parseKey, type SyncKey } from "../keys.ts";
import type { Look } from "../ports/look-up.ts";
import type { WorkMessage } from "../ports/queue.ts";
import type { Lane } from "../ports/rows.ts";
import { lookUpMessage } from "./look-up-envelope.ts";

/** The wire format of our messages. `v` changes when an older function must not read them. */
const VERSION = 1;

/** A key without the "#uid" of a clean-up has 63 + 253 characters at most, plus kind and slashes. */
const MAX_KEY = 1_024;

const key = z
  .string()
  .max(MAX_KEY)
  .refine((text) => parseKey(text) !== undefined, "must be a key");

const clusterName = z.string().min(1).max(63);

const sent = { v: z.literal(VERSION), at: z.int().nonnegative() };
/** Messages without keys have their own field and an empty list of keys. */
const without = { ...sent, lane: z.literal("now"), keys: z.tuple([]) };

/**
 * The variants of a WorkMessage as written since the first version: older and newer functions read each other's
 * messages, so that a deploy loses none. A new variant has its own `kind` instead.
 */
const work = JSONStringified(
  z.union([
    z
      .strictObject({ ...without, probe: z.string().min(1).max(MAX_KEY) })
      .transform(({ probe, at }): WorkMessage => ({ kind: "probe", circuit: probe, at })),
    z
      .strictObject({ ...without, tokens: z.strictObject({ cluster: clusterName.exactOptional() }) })
      .transform(({ tokens, at }): WorkMessage => ({ kind: "token-sweep", ...tokens, at })),
    z
      .strictObject({ ...sent, lane: z.enum(["renew", "now", "refresh"]), keys: z.array(key).max(100) })
      .transform(({ keys, lane, at }): WorkMessage => ({ kind: "keys", keys: keys as SyncKey[], lane, at })),
    z
      .strictObject({ ...without, ...lookUpMessage })
      .transform(({ kind, vault, look, at }): WorkMessage => ({ kind, vault, look: look as Look, at })),
  ]),
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
  return JSON.stringify({
    v: VERSION,
    lane: laneOf(message),
    at: message.at,
    keys: keysOf(message),
    ...about(message),
  });
}

function about(message: WorkMessage): Readonly<Record<string, unknown>> {
  switch (message.kind) {
    case "keys":
      return {};
    case "probe":
      return { probe: message.circuit };
    case "token-sweep":
      return { tokens: message.cluster === undefined ? {} : { cluster: message.cluster } };
    case "look-up": {
      const { kind, vault, look } = message;
      return { kind, vault, look };
    }
  }
}

/** The lane of a message: those without keys are few and urgent. */
export function laneOf(message: WorkMessage): Lane {
  switch (message.kind) {
    case "keys":
      return message.lane;
    case "probe":
    case "token-sweep":
    case "look-up":
      return "now";
  }
}

/** The keys of a message, if it has any. */
export function keysOf(message: WorkMessage): readonly SyncKey[] {
  switch (message.kind) {
    case "keys":
      return message.keys;
    case "probe":
    case "token-sweep":
    case "look-up":
      return [];
  }
}

/** Undefined: not a keyferry message. */
export function parseWork(body: string): WorkMessage | undefined {
  return work.safeParse(body).data;
}

export function watchPassesBody(requests: readonly WatchPassRequest[]): string {
  return JSON.stringify({ v: VERSION, looks: requests });
}

/** Undefined: not a keyferry message. */
export function parseWatchPasses(body: string): readonly WatchPassRequest[] | undefined {
  return looks.safeParse(body).data?.looks;
}
