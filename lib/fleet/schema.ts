import { z } from "zod";
import { isDnsLabel, labelProblem } from "../names.ts";
import { addressProblem } from "../vault-address.ts";
import { checkVaultPath } from "../vault-path.ts";

/** fleet.yaml as a schema: it parses, and editors get it as JSON Schema (design 8). */

function problemCheck(problems: (text: string) => readonly string[]) {
  return (payload: z.core.ParsePayload<string>) => {
    for (const message of problems(payload.value)) {
      payload.issues.push({ code: "custom", message, input: payload.value, path: [] });
    }
  };
}

function list(problem: string | undefined): readonly string[] {
  return problem === undefined ? [] : [problem];
}

const dnsLabel = problemCheck((text) =>
  isDnsLabel(text) ? [] : ["must be lower-case letters, digits and -, 63 characters at most, first and last no -"],
);

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

function path(description: string) {
  return z.string().min(1).describe(`${description} Relative to this file.`);
}

const kubeconfig = z
  .strictObject({
    path: path("A kubeconfig."),
    context: z.string().min(1).exactOptional().describe("Context in it. Not set: its current one."),
  })
  .describe("A kubeconfig, as kubectl has it.");

const server = z
  .strictObject({
    url: z
      .string()
      .check(problemCheck((text) => list(addressProblem(text))))
      .describe("URL of the API server."),
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

const vault = z
  .strictObject({
    address: z
      .string()
      .check(problemCheck((text) => list(addressProblem(text))))
      .exactOptional()
      .describe("Vault's address as seen from here."),
    authMount: z.string().check(problemCheck(checkVaultPath)).exactOptional().describe("Login mount of this cluster."),
    onDeleted: z
      .enum(["retain", "follow"])
      .exactOptional()
      .describe("A deleted kv-v2 version. retain: its Secret stays as it is. follow: the Secret loses its keys."),
  })
  .describe("Overrides what the cluster's VaultConnections and VaultAuths say, and how Vault's data is followed.");

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
  vault: vault.exactOptional(),
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
  clusters: z.array(cluster).min(1, "must name at least one cluster").describe("The clusters."),
});

/** fleet.yaml for editors. */
export function fleetJsonSchema(): Record<string, unknown> {
  const generated = z.toJSONSchema(fleetSchema, { io: "input", target: "draft-07" });
  return { ...generated, title: "keyferry fleet" };
}
