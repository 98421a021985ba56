import { z } from "zod";
import { parseKey } from "../keys.ts";

/** The fields of a message that looks rows up, for the wire. Limits are above what we send. */

const MAX_KEY = 1_024;
const MAX_PLACES = 100;
const MAX_FOUND = 1_000;
const MAX_PATH = 65_536;

const time = z.int().nonnegative();
const mark = z.literal(true).exactOptional();
const keys = z.array(
  z
    .string()
    .max(MAX_KEY)
    .refine((text) => parseKey(text) !== undefined, "must be a key"),
);
const place = z.strictObject({
  where: z.enum(["path", "prefix"]),
  path: z.string().max(MAX_PATH),
  endsWith: z.string().max(MAX_PATH).exactOptional(),
  version: z.int().nonnegative().exactOptional(),
  changedAfter: mark,
  forget: mark,
  lease: mark,
  at: time,
  found: z.union([z.array(z.string().max(64)).max(MAX_FOUND), z.literal("many")]),
});

export const lookUpMessage = {
  kind: z.literal("look-up"),
  vault: z.string().min(1).max(MAX_PATH),
  look: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("places"), places: z.array(place).max(MAX_PLACES), since: time }),
    z.strictObject({
      kind: z.literal("sweep"),
      reason: z.enum(["event", "reconnected", "offset-gone", "too-old", "silent", "overflow"]),
      lease: mark,
      after: z.string().max(MAX_PATH).exactOptional(),
    }),
    z.strictObject({ kind: z.literal("rows"), keys: keys.max(100), lease: mark }),
    z.strictObject({ kind: z.literal("denied") }),
  ]),
};
