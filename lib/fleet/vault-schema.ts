import { z } from "zod";
import { DURATION_HINT, DURATION_PATTERN, parseDuration } from "../duration.ts";
import { isDnsLabel } from "../names.ts";
import { checkVaultPath } from "../vault-path.ts";
import { baseUrl, dnsLabel, path, problemCheck, proxyUrl, vaultAddress } from "./checks.ts";
import { events } from "./events-schema.ts";

/** The Vault parts of fleet.yaml. */

const vaultPath = z.string().check(problemCheck(checkVaultPath));

const region = z
  .string()
  .check(problemCheck((text) => (isDnsLabel(text) ? [] : ["must be the name of a region, such as eu-central-1"])));

/** For headers: Node would change any other character. */
const printable = z.string().regex(/^[\x21-\x7e]+$/, "must be printable ASCII without spaces");

function duration(preset: string, description: string) {
  return z
    .string({ error: DURATION_HINT })
    .regex(DURATION_PATTERN, { message: DURATION_HINT, abort: true })
    .refine((text) => (parseDuration(text) ?? 0) > 0, { message: "must be longer than 0, and at most 292 years" })
    .default(preset)
    .describe(description);
}

const identityName = z.string().check(dnsLabel).describe("Name of the identity.");
const role = z.string().min(1).describe("Role in Vault to log in as.");

function mount(preset: string) {
  return vaultPath.exactOptional().describe(`Mount of the login. Not set: ${preset}.`);
}

const awsIdentity = z
  .strictObject({
    name: identityName,
    method: z.literal("aws").describe("The AWS identity of keyferry's own process."),
    role,
    headerValue: printable.describe(
      "The mount's iam_server_id_header_value. Mounts that require another value refuse the login.",
    ),
    region: region.exactOptional().describe("Region of the token service that Vault uses. Not set: the VaultAuth's."),
    mount: mount("that of the VaultAuth; aws for connections"),
  })
  .describe("For connections, and lent to VaultAuths of the clusters that list it as vault/identity.");

function tokenIdentity<M extends "jwt" | "kubernetes">(method: M) {
  return z
    .strictObject({
      name: identityName,
      method: z.literal(method).describe("A token in a file, such as a projected service account token."),
      role,
      tokenFile: path("The token, read again at each login."),
      mount: mount(method),
    })
    .describe("For connections to clusters.");
}

const appRoleIdentity = z
  .strictObject({
    name: identityName,
    method: z.literal("appRole").describe("A role id, and a secret id in a file."),
    roleId: z.string().min(1).describe("Role id."),
    secretIdFile: path("The secret id, read again at each login."),
    mount: mount("approle"),
  })
  .describe("For connections to clusters.");

const identity = z
  .discriminatedUnion("method", [awsIdentity, tokenIdentity("jwt"), tokenIdentity("kubernetes"), appRoleIdentity], {
    error: ({ code }) => (code === "invalid_union" ? "must be one of aws, jwt, kubernetes, appRole" : undefined),
  })
  .describe("An identity of keyferry's own.");

const vault = z
  .strictObject({
    name: z.string().check(dnsLabel).describe("Name of the Vault."),
    addresses: z
      .array(z.string().check(vaultAddress))
      .min(1, "must name at least one address")
      .describe("Addresses as VaultConnections write them. They are allowed anywhere, even on loopback."),
    caFile: path("CA certificates, as PEM, for VaultConnections that name none.").exactOptional(),
    proxy: z
      .string()
      .check(proxyUrl)
      .exactOptional()
      .describe("HTTP proxy to these addresses, such as http://proxy.example.com:3128. It must allow CONNECT."),
    namespace: vaultPath.exactOptional().describe("Vault namespace if nothing else names one."),
    requestsPerSecond: z
      .number()
      .min(0.1)
      .max(100_000)
      .exactOptional()
      .describe(
        "Requests that keyferry may send to this Vault in a second, from all its processes. Not set: no limit.",
      ),
    maxRequestDuration: duration(
      "90s",
      "Longest time that this Vault works on a request (its own max_request_duration). A token whose request was not answered is revoked only after that.",
    ),
    retention: duration(
      "24h",
      "How long keyferry renews the credentials of what left the fleet, or of a cluster that it can't reach, before it revokes them.",
    ),
    identities: z.array(identity).default([]).describe("keyferry's own identities at this Vault."),
    events: events.exactOptional(),
  })
  .describe("A Vault that clusters may use.");

export const vaults = z.array(vault).default([]).describe("Vaults with names.");

export const vaultAddresses = z
  .enum(["any", "named"])
  .exactOptional()
  .describe(
    "Which Vaults the cluster's resources may name. any: public and private hosts, and addresses in this file. named: only addresses in this file. Not set: any.",
  );

export const clusterVault = z
  .strictObject({
    name: z
      .string()
      .exactOptional()
      .describe(
        "One of vaults, by its name: the Vault of this cluster, at the first of its addresses. No VaultConnection is needed, and one that exists adds only its headers and its timeout.",
      ),
    address: z
      .string()
      .check(vaultAddress)
      .exactOptional()
      .describe("Vault's address as keyferry reaches it. It replaces the address of every VaultConnection."),
    authMount: vaultPath
      .exactOptional()
      .describe("Login mount of this cluster. It replaces the mount of VaultAuths of method kubernetes or jwt."),
    onDeleted: z
      .enum(["retain", "follow"])
      .exactOptional()
      .describe(
        "What happens when a kv-v2 version is deleted. retain: the Secret stays as it is. follow: the Secret loses its keys.",
      ),
    identities: z
      .array(z.string())
      .exactOptional()
      .describe(
        "keyferry's own identities, written vault/identity, that VaultAuths of the operator namespace may use.",
      ),
    requireAudiences: z
      .boolean()
      .exactOptional()
      .describe(
        "Refuse logins with a service account's token if the VaultAuth names no audiences. Not set: a warning.",
      ),
    stsEndpoint: z
      .string()
      .check(baseUrl)
      .exactOptional()
      .describe("The AWS token service as keyferry reaches it. It replaces the stsEndpoint of VaultAuths."),
  })
  .describe(
    "Overrides settings of the cluster's VaultConnections and VaultAuths, and says how changes in Vault are handled.",
  );
