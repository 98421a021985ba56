import { z } from "zod";
import { DURATION_HINT, DURATION_PATTERN } from "../../duration.ts";
import { nameProblem } from "../../names.ts";
import { conditions, lastGeneration, observedGeneration } from "../status.ts";
import { MAX_KEYS, SECRET_KEY } from "./entries.ts";
import { MAX_SOURCES } from "./sources.ts";

/** A VaultPushSecret: what annotations say, as a resource of its own. Its definition is ours alone. */

const MAX_NAME = 253;
const MAX_PATH = 512;

/** Beside the schema, for the API server: what it refuses at once. */
function rule(text: string, message: string): Record<string, unknown> {
  return { "x-kubernetes-validations": [{ rule: text, message }] };
}

const RESERVED = ["sys", "auth", "identity", "cubbyhole"];

const mount = z
  .string()
  .min(1)
  .max(MAX_PATH)
  .describe("Mount of the kv engine.")
  .meta(
    rule(
      `!(self.split('/')[0].lowerAscii() in [${RESERVED.map((name) => `'${name}'`).join(", ")}])`,
      `must not be below ${RESERVED.join("/, ")}/`,
    ),
  );

const path = z
  .string()
  .min(1)
  .max(MAX_PATH)
  .describe(
    "Path below the mount, with or without data/. {cluster}, {namespace}, {name} and {labels.<key>} are those of this resource.",
  )
  .meta(rule("!self.split('/').exists(segment, segment in ['.', '..'])", "must not have a segment that is . or .."));

const destination = z
  .strictObject({
    mount,
    path,
    type: z
      .enum(["kv-v1", "kv-v2"])
      .exactOptional()
      .describe("Version of the kv engine. Empty: whatever the mount has. Another one than the mount's is refused."),
  })
  .describe("Where to. push.paths of fleet.yaml must allow it.");

const key = z
  .strictObject({
    key: z
      .string()
      .min(1)
      .max(MAX_NAME)
      .regex(SECRET_KEY, "must be letters, digits, -, _ and .")
      .describe("Key of the Secret."),
    field: z
      .string()
      .min(1)
      .max(MAX_NAME)
      .refine(isPlain, "must have no control characters")
      .exactOptional()
      .describe("Field in Vault. Empty: the key, after the prefix."),
  })
  .describe("One key.");

const source = z
  .strictObject({
    secretRef: z
      .strictObject({
        name: z
          .string()
          .min(1)
          .max(MAX_NAME)
          .refine((text) => text === "" || nameProblem(text) === undefined, "must be the name of a Secret")
          .describe("Name of the Secret."),
      })
      .describe("A Secret in this namespace."),
    keys: z
      .array(key)
      .min(1, "must name at least one key")
      .max(MAX_KEYS, `must name at most ${MAX_KEYS} keys`)
      .exactOptional()
      .describe("Which keys. Empty: all.")
      .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"] }),
    prefix: z
      .string()
      .max(MAX_NAME)
      .refine(isPlain, "must have no control characters")
      .default("")
      .describe("Text before each key, for those without a field of their own."),
    optional: z.boolean().default(false).describe("The Secret may be missing: then it adds nothing."),
  })
  .describe("A Secret, or some of its keys.");

export const vaultPushSecretSpec = z.strictObject({
  destination,
  sources: z
    .array(source)
    .min(1, "must name at least one Secret")
    .max(MAX_SOURCES, `must name at most ${MAX_SOURCES} Secrets`)
    .describe("What is pushed: all of it becomes one object at the path.")
    .meta({ "x-kubernetes-list-type": "atomic" }),
  conflict: z
    .enum(["fail", "merge", "adopt"])
    .exactOptional()
    .describe(
      "What happens where Vault holds someone else's data. Empty: push.conflict of fleet.yaml. Never more than push.choices allows.",
    ),
  deletion: z
    .enum(["preserve", "version", "metadata"])
    .exactOptional()
    .describe(
      "What a deletion of this resource removes: nothing, the version that keyferry wrote, or the path. Empty: push.deletion of fleet.yaml. Never more than push.choices allows.",
    ),
  reconcile: z
    .string()
    .max(32)
    .regex(DURATION_PATTERN, { message: DURATION_HINT, abort: true })
    .exactOptional()
    .describe(
      "How often Vault is read again, such as 5m, at least 30s. Empty: not at all; Secrets are followed all the same.",
    ),
  identity: z
    .string()
    .min(1)
    .max(63)
    .exactOptional()
    .describe("One of push.choices.identities of fleet.yaml, by its name. Empty: push.identity."),
  pushSynced: z.boolean().default(false).describe("Also Secrets that another program copied into the cluster."),
});

export type VaultPushSecretSpec = z.infer<typeof vaultPushSecretSpec>;

export const vaultPushSecretStatus = z.object({
  lastGeneration,
  observedGeneration,
  lastPushed: z
    .object({
      path: z.string().describe("Path in Vault, with its mount and without data/."),
      version: z.int().exactOptional().describe("Version that holds the data, kv-v2 only."),
    })
    .exactOptional()
    .describe("Where the data was pushed last."),
  conditions,
});

function isPlain(text: string): boolean {
  return !/\p{Cc}/u.test(text) && text.isWellFormed();
}
