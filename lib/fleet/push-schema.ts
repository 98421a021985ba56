import { z } from "zod";
import { SECOND_MS } from "../clock.ts";
import { DURATION_HINT, DURATION_PATTERN, parseDuration } from "../duration.ts";
import { nameProblem } from "../names.ts";
import { pushPatternProblems } from "../push-paths.ts";
import { PUSH_KINDS } from "../resource-kinds.ts";
import { checkVaultPath } from "../vault-path.ts";
import { dnsLabel, problemCheck } from "./checks.ts";

/** The part of fleet.yaml that allows a cluster's Secrets to be pushed to Vault. Not set: nothing is pushed. */

const vaultPath = z.string().check(problemCheck(checkVaultPath));

const MAX_PATTERNS = 200;
const SHORTEST_POLL_MS = 30 * SECOND_MS;

const pollEvery = z
  .string({ error: DURATION_HINT })
  .regex(DURATION_PATTERN, { message: DURATION_HINT, abort: true })
  .refine((text) => (parseDuration(text) ?? 0) >= SHORTEST_POLL_MS, { message: "must be at least 30s" })
  .default("5m")
  .describe("How often poll reads Secrets whose annotated object has no vault-sync.io/reconcile.");

const serviceAccount = z
  .strictObject({
    namespace: z
      .string()
      .check(dnsLabel)
      .exactOptional()
      .describe("Not set: the namespace of the annotated object, so that Vault tells namespaces apart."),
    name: z.string().check(problemCheck((text) => [nameProblem(text)].filter((problem) => problem !== undefined))),
  })
  .describe("The service account whose token is sent to Vault.");

const login = z.strictObject({
  method: z.enum(["kubernetes", "jwt"]).default("kubernetes").describe("The auth method of the mount."),
  mount: vaultPath.describe("Mount of the login."),
  role: z.string().min(1).describe("Role in Vault to log in as. Its policies should allow the same paths."),
  serviceAccount,
  audiences: z.array(z.string().min(1)).min(1, "must name at least one audience").describe("Audiences of the token."),
  namespace: vaultPath.exactOptional().describe("Vault namespace. Not set: that of the Vault."),
});

const identity = login.describe("How keyferry logs in to write.");

const MAX_IDENTITIES = 20;

const choices = z
  .strictObject({
    conflict: z
      .enum(["fail", "merge", "adopt"])
      .exactOptional()
      .describe("Up to this conflict. Not set: that of push."),
    deletion: z.enum(["version", "metadata"]).exactOptional().describe("Up to this deletion. Not set: that of push."),
    identities: z
      .array(login.extend({ name: z.string().check(dnsLabel).describe("Name by which spec.identity chooses it.") }))
      .max(MAX_IDENTITIES, `must name at most ${MAX_IDENTITIES} identities`)
      .default([])
      .describe("Other logins than identity, by name."),
  })
  .describe(
    "What a VaultPushSecret may choose. fail is less than merge, merge than adopt; version less than metadata.",
  );

export function push<N extends z.ZodType>(namespaces: N) {
  return z
    .strictObject({
      kinds: z
        .array(z.enum(PUSH_KINDS))
        .min(1, "must name at least one kind")
        .default(["Deployment", "Secret"])
        .describe("Kinds whose annotations count, and VaultPushSecret for that resource."),
      namespaces,
      paths: z
        .array(z.string().check(problemCheck(pushPatternProblems)))
        .min(1, "must name at least one path")
        .max(MAX_PATTERNS, `must name at most ${MAX_PATTERNS} paths`)
        .describe(
          "Paths that may be written to, with their mount and without data/. * stands for any characters of a segment, ** at the end for everything below; {cluster}, {namespace} and {name} are those of the annotated object.",
        ),
      vault: z
        .string()
        .exactOptional()
        .describe("One of vaults, by its name. Not set: the cluster's own, vault.name or vault.address."),
      identity,
      secrets: z
        .enum(["watch", "poll"])
        .default("watch")
        .describe(
          "watch: follow the metadata of all Secrets in these namespaces. poll: read the named ones every pollEvery.",
        ),
      pollEvery,
      conflict: z
        .enum(["fail", "adopt", "merge"])
        .default("fail")
        .describe(
          "What happens where Vault holds someone else's data. fail: nothing is written. adopt: it is replaced. merge: only the keys of the Secret are written.",
        ),
      deletion: z
        .enum(["version", "metadata"])
        .default("version")
        .describe(
          "What a deletion removes. version: the version that keyferry wrote, which can be undeleted. metadata: the path.",
        ),
      prefix: z
        .enum(["none", "cluster"])
        .default("none")
        .describe("cluster: insert clusters/<name>/ after the mount of every path."),
      mountedOnly: z
        .boolean()
        .default(false)
        .describe("true: a workload may push only Secrets that its pod template mounts, and a Secret only itself."),
      projectedVolumes: z.boolean().default(false).describe("true: discover the Secrets of projected volumes too."),
      imagePullSecrets: z.boolean().default(false).describe("true: discover imagePullSecrets too."),
      choices: choices.exactOptional(),
    })
    .describe(
      "Push Secrets of the cluster to Vault, as annotations vault-sync.io/… or VaultPushSecrets declare it. Not set: nothing is pushed.",
    );
}
