import { z } from "zod";
import { DURATION_HINT, DURATION_PATTERN, parseDuration } from "../duration.ts";
import { isDnsLabel } from "../names.ts";
import { checkVaultPath } from "../vault-path.ts";
import { baseUrl, dnsLabel, path, problemCheck } from "./checks.ts";

/** The parts of fleet.yaml that are about Vaults. */

const vaultPath = z.string().check(problemCheck(checkVaultPath));

const region = z
  .string()
  .check(problemCheck((text) => (isDnsLabel(text) ? [] : ["must be the name of a region, such as eu-central-1"])));

/** Of a header: Node would send anything else as something else. */
const printable = z.string().regex(/^[\x21-\x7e]+$/, "must be printable ASCII without spaces");

function laterDuration(preset: string, description: string) {
  return z
    .string()
    .regex(DURATION_PATTERN, { message: DURATION_HINT, abort: true })
    .refine((text) => (parseDuration(text) ?? 0) > 0, { message: "must be longer than 0, and at most 292 years" })
    .default(preset)
    .describe(`${description} Not yet used: it counts for dynamic secrets, which come with a later version.`);
}

const identity = z
  .strictObject({
    name: z.string().check(dnsLabel).describe("Name of the identity: clusters name it as vault/identity."),
    method: z.enum(["aws"]).describe("Login method: aws is the AWS identity of keyferry's own process."),
    role: z.string().min(1).describe("Role in Vault to log in as."),
    headerValue: printable.describe("The mount's iam_server_id_header_value: what is signed is good for nothing else."),
    region: region.exactOptional().describe("Region of the token service that Vault asks. Not set: the VaultAuth's."),
    mount: vaultPath.exactOptional().describe("Mount of the login. Not set: that of the VaultAuth."),
  })
  .describe("keyferry's own identity, lent to VaultAuths of the clusters that name it.");

const vault = z
  .strictObject({
    name: z.string().check(dnsLabel).describe("Name of the Vault."),
    addresses: z
      .array(z.string().check(baseUrl))
      .min(1, "must name at least one address")
      .describe("Its addresses as VaultConnections write them: allowed wherever they lie, loopback included."),
    caFile: path("CA certificates, as PEM, where a VaultConnection names none.").exactOptional(),
    namespace: vaultPath.exactOptional().describe("Vault namespace where nothing else says one."),
    maxRequestDuration: laterDuration("90s", "How long this Vault works on one request at most."),
    retention: laterDuration("24h", "How long this Vault keeps a lease that nobody renews."),
    identities: z.array(identity).default([]).describe("Identities of keyferry's own at this Vault."),
  })
  .describe("A Vault that clusters may use.");

export const vaults = z.array(vault).default([]).describe("Vaults that are known by name.");

export const vaultAddresses = z
  .enum(["any", "named"])
  .exactOptional()
  .describe(
    "Which Vaults the cluster's resources may name. any: public and private hosts, and what this file names. named: what this file names alone. Not set: any.",
  );

export const clusterVault = z
  .strictObject({
    address: z.string().check(baseUrl).exactOptional().describe("Vault's address as seen from here."),
    authMount: vaultPath.exactOptional().describe("Login mount of this cluster."),
    onDeleted: z
      .enum(["retain", "follow"])
      .exactOptional()
      .describe("A deleted kv-v2 version. retain: its Secret stays as it is. follow: the Secret loses its keys."),
    identities: z
      .array(z.string())
      .exactOptional()
      .describe("Identities of keyferry's own, as vault/identity, that VaultAuths of the operator namespace may use."),
    requireAudiences: z
      .boolean()
      .exactOptional()
      .describe("Refuse logins by a service account's token that is for no audience of its own. Not set: a warning."),
    stsEndpoint: z
      .string()
      .check(baseUrl)
      .exactOptional()
      .describe("AWS's token service as seen from here, in place of what VaultAuths say."),
  })
  .describe("Overrides what the cluster's VaultConnections and VaultAuths say, and how Vault's data is followed.");
