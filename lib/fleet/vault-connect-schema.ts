import { z } from "zod";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { DURATION_HINT, DURATION_PATTERN, parseDuration } from "../duration.ts";
import type { Complaint } from "../util/complaints.ts";
import { checkVaultPath } from "../vault-path.ts";
import { baseUrl, dnsLabel, path, problemCheck } from "./checks.ts";

/** The ways to connect that need a Vault: its Kubernetes secrets engine, and a kubeconfig at one of its paths. */

interface VaultWay {
  /** One of `vaults`, by its name. */
  readonly vault: string;
  /** One of the identities of that Vault. */
  readonly identity: string;
  readonly mount: string;
}

/** A token that Vault's Kubernetes secrets engine mints. */
export interface VaultKubernetesWay extends VaultWay {
  readonly role: string;
  /** Namespace of the service account. */
  readonly namespace: string;
  readonly url: string;
  readonly caFile?: string;
  readonly caData?: string;
  readonly serverName?: string;
  readonly ttl: string;
  readonly clusterRoleBinding: boolean;
  readonly audiences: readonly string[];
}

/** A kubeconfig in a key of Vault. */
export interface VaultKubeconfigWay extends VaultWay {
  readonly path: string;
  readonly key: string;
  readonly engine: "kv-v1" | "kv-v2";
  readonly context?: string;
}

const vaultPath = z.string().check(problemCheck(checkVaultPath));

/** The API server grants no shorter TTL. */
const SHORTEST_TTL_MS = 10 * MINUTE_MS;
const LONGEST_TTL_MS = 24 * HOUR_MS;

const ways = {
  vault: z.string().min(1).describe("Name of one of vaults. keyferry asks it at the first of its addresses."),
  identity: z.string().min(1).describe("Name of one of the identities of that Vault."),
};

export const vaultKubernetes = z
  .strictObject({
    ...ways,
    mount: vaultPath.default("kubernetes").describe("Mount of the Kubernetes secrets engine."),
    role: z.string().check(problemCheck(checkVaultPath)).describe("Role of the engine."),
    namespace: z.string().check(dnsLabel).describe("Namespace of the service account."),
    url: z.string().check(baseUrl).describe("URL of the API server."),
    caFile: path("CA certificates of the API server, as PEM.").exactOptional(),
    caData: z
      .base64({ error: "must be base64", abort: true })
      .refine((text) => atob(text).includes("-----BEGIN CERTIFICATE-----"), "must hold a PEM certificate")
      .exactOptional()
      .describe("CA certificates of the API server, as base64 of PEM."),
    serverName: z.string().min(1).exactOptional().describe("Name in the API server's certificate."),
    ttl: z
      .string({ error: DURATION_HINT })
      .regex(DURATION_PATTERN, { message: DURATION_HINT, abort: true })
      .refine((text) => {
        const ms = parseDuration(text) ?? 0;
        return ms >= SHORTEST_TTL_MS && ms <= LONGEST_TTL_MS && ms % SECOND_MS === 0;
      }, "must be whole seconds, from 10m to 24h")
      .default("1h")
      .describe("TTL to ask for. The role's longest TTL limits it. keyferry asks for a new token after two thirds."),
    clusterRoleBinding: z
      .boolean()
      .default(false)
      .describe("For a role that creates service accounts: bind them in all namespaces."),
    audiences: z
      .array(z.string().min(1))
      .max(16)
      .default([])
      .describe("Audiences of the token. None: the API server's."),
  })
  .describe("A token from Vault's Kubernetes secrets engine.");

export const vaultKubeconfig = z
  .strictObject({
    ...ways,
    mount: vaultPath.describe("Mount of the kv engine."),
    path: vaultPath.describe("Path of the kubeconfig in the mount."),
    key: z.string().min(1).default("kubeconfig").describe("Key at that path whose value is the kubeconfig."),
    engine: z.enum(["kv-v1", "kv-v2"]).default("kv-v2").describe("Engine of the mount."),
    context: z.string().min(1).exactOptional().describe("Context in the kubeconfig. Not set: its current context."),
  })
  .describe("A kubeconfig in Vault, read again every five minutes. It must hold its certificates and token itself.");

type Fields = Readonly<Record<string, unknown>>;

export function vaultKubernetesComplaints(
  { url, caFile, caData }: Fields,
  at: readonly PropertyKey[],
): readonly Complaint[] {
  const isPlain = typeof url === "string" && url.toLowerCase().startsWith("http://");
  return [
    ...(isPlain ? [{ path: [...at, "url"], message: "must begin with https://" }] : []),
    ...(caFile !== undefined && caData !== undefined
      ? [{ path: at, message: "must have one of caFile and caData" }]
      : []),
  ];
}
