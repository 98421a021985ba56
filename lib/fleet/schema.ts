import { z } from "zod";
import { labelProblem } from "../names.ts";
import { baseUrl, dnsLabel, path, problemCheck } from "./checks.ts";
import { clusterVault, vaultAddresses, vaults } from "./vault-schema.ts";

/** fleet.yaml as a schema: it parses, and editors get it as JSON Schema. */

/** Each star more is a factor of a name's length in the time that a comparison may take. */
const MAX_STARS = 4;

const namespacePattern = problemCheck((text) => [
  ...(/^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$/.test(text) ? [] : ["must be a namespace, with * for any characters"]),
  ...(text.split("*").length - 1 > MAX_STARS ? [`must have at most ${MAX_STARS} stars`] : []),
]);

const labels = z
  .record(z.string(), z.string())
  .check((payload) => {
    for (const [key, value] of Object.entries(payload.value)) {
      const message = labelProblem(key, value);
      if (message !== undefined) payload.issues.push({ code: "custom", message, input: value, path: [key] });
    }
  })
  .default({});

const kubeconfig = z
  .strictObject({
    path: path("A kubeconfig."),
    context: z.string().min(1).exactOptional().describe("Context in it. Not set: its current one."),
  })
  .describe("A kubeconfig, as kubectl has it.");

const server = z
  .strictObject({
    url: z.string().check(baseUrl).describe("URL of the API server."),
    caFile: path("CA certificates of the API server, as PEM.").exactOptional(),
    caData: z
      .base64({ error: "must be base64", abort: true })
      .refine((text) => atob(text).includes("-----BEGIN CERTIFICATE-----"), "must hold a PEM certificate")
      .exactOptional()
      .describe("The same as base64 of the PEM."),
    serverName: z.string().min(1).exactOptional().describe("Name that its certificate must be for."),
    insecure: z.boolean().default(false).describe("Accept whatever certificate it shows."),
    tokenFile: path("Token to log in with, read again when it changed.").exactOptional(),
    clientCertFile: path("Certificate to log in with, as PEM.").exactOptional(),
    clientKeyFile: path("Its key, as PEM.").exactOptional(),
  })
  .describe("An API server by its address.");

const later = z.looseObject({});

/** Ways to connect that are known and come with a later version. */
export const LATER = {
  eks: later.describe("A cluster of EKS. Not yet supported."),
  vaultKubernetes: later.describe("A token minted by Vault's Kubernetes secrets engine. Not yet supported."),
  argocd: later.describe("A cluster Secret of Argo CD. Not yet supported."),
} as const;

const connect = z
  .strictObject({
    kubeconfig: kubeconfig.exactOptional(),
    server: server.exactOptional(),
    eks: LATER.eks.exactOptional(),
    vaultKubernetes: LATER.vaultKubernetes.exactOptional(),
    argocd: LATER.argocd.exactOptional(),
  })
  .describe("How to reach the cluster: exactly one of these.");

const namespaces = z
  .strictObject({
    include: z.array(z.string().check(namespacePattern)).default(["*"]).describe("Namespaces to look at."),
    exclude: z.array(z.string().check(namespacePattern)).default([]).describe("Namespaces to leave out of them."),
  })
  .prefault({})
  .describe("Namespaces whose declarations count; * stands for any characters.");

const globalTransformationOptions = z
  .strictObject({
    excludeRaw: z.boolean().default(false).describe("Leave the key _raw out of every Secret."),
    missingKey: z
      .enum(["default", "error"])
      .default("default")
      .describe(
        "A field that a template names and that is not there. default: <no value> in the Secret, and a warning. error: the sync fails, and the Secret stays as it is.",
      ),
  })
  .describe("What holds for the data of all Secrets, whatever a resource says.");

const UID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const cluster = z.strictObject({
  name: z.string().check(dnsLabel).describe("Name of the cluster: part of the key of every sync."),
  labels: labels.describe("Labels of the cluster."),
  connect,
  observe: z
    .enum(["watch", "apply"])
    .default("watch")
    .describe("watch: notice changes of Secrets. apply: no read of Secrets, write again on each refresh."),
  namespaces,
  operatorNamespace: z
    .string()
    .check(dnsLabel)
    .default("vault-secrets-operator-system")
    .describe("Where the VaultAuth and VaultConnection named default are looked up."),
  operatorNamespaceUid: z
    .string()
    .check(
      problemCheck((text) => (UID.test(text) ? [] : ["must be the uid of a namespace: five groups of hex digits"])),
    )
    .exactOptional()
    .describe(
      "metadata.uid of the operator namespace. Needed for one that was made after keyferry first looked at the cluster: anybody may have made it.",
    ),
  makeHmacKey: z
    .boolean()
    .exactOptional()
    .describe(
      "false: don't make the key of Vault Secrets Operator's MACs (Secret vso-cc-storage-hmac-key in the operator namespace) where there is none and no resource has a MAC yet.",
    ),
  vault: clusterVault.exactOptional(),
  vaultAddresses,
  globalTransformationOptions: globalTransformationOptions.exactOptional(),
  besideVso: z
    .array(z.string().check(namespacePattern))
    .exactOptional()
    .describe(
      "Namespaces in which keyferry works although Vault Secrets Operator runs in the cluster; * stands for any characters. Not set: it stands back.",
    ),
});

export const fleetSchema = z.strictObject({
  apiVersion: z.literal("keyferry.dev/v1alpha1"),
  kind: z.literal("Fleet"),
  vaults,
  clusters: z.array(cluster).min(1, "must name at least one cluster").describe("The clusters."),
});

/** fleet.yaml for editors. */
export function fleetJsonSchema(): Record<string, unknown> {
  const generated = z.toJSONSchema(fleetSchema, { io: "input", target: "draft-07" });
  return { ...generated, title: "keyferry fleet" };
}
