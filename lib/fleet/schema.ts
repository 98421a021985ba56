import { z } from "zod";
import { labelProblem } from "../names.ts";
import { KEYFERRY_GROUP } from "../resource-kinds.ts";
import { dnsLabel, problemCheck } from "./checks.ts";
import { connect } from "./connect-schema.ts";
import { hubs } from "./hub-schema.ts";
import { clusterInjector, fleetInjector } from "./injector-schema.ts";
import { injectorServing, injectorServingOfCluster } from "./injector-serving-schema.ts";
import { push } from "./push-schema.ts";
import { clusterVault, vaultAddresses, vaults } from "./vault-schema.ts";

/** The schema of fleet.yaml, for the parser and, as JSON Schema, for editors. */

/** Each additional star multiplies the time of a comparison by the name's length. */
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

const namespaces = z
  .strictObject({
    include: z.array(z.string().check(namespacePattern)).default(["*"]).describe("Namespaces to serve."),
    exclude: z.array(z.string().check(namespacePattern)).default([]).describe("Namespaces to leave out."),
  })
  .prefault({})
  .describe("Namespaces whose declarations count; * stands for any characters.");

const globalTransformationOptions = z
  .strictObject({
    excludeRaw: z.boolean().default(false).describe("Leave the key _raw out of every Secret of the cluster."),
    missingKey: z
      .enum(["default", "error"])
      .default("default")
      .describe(
        "What happens when a template names a missing field. default: <no value> in the Secret, and a warning. error: the sync fails, and the Secret stays as it is.",
      ),
  })
  .describe("Settings for the data of all Secrets of the cluster, whatever a resource says.");

const UID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a cluster has beside its name and the way to reach it. */
const settings = {
  labels: labels.describe("Labels of the cluster."),
  observe: z
    .enum(["watch", "apply"])
    .default("watch")
    .describe("watch: watch Secrets and notice changes. apply: do not read Secrets, apply them again on each refresh."),
  namespaces,
  operatorNamespace: z
    .string()
    .check(dnsLabel)
    .default("vault-secrets-operator-system")
    .describe("Namespace of the VaultAuth, VaultAuthGlobal and VaultConnection named default."),
  operatorNamespaceUid: z
    .string()
    .check(
      problemCheck((text) => (UID.test(text) ? [] : ["must be the uid of a namespace: five groups of hex digits"])),
    )
    .exactOptional()
    .describe(
      "metadata.uid of the operator namespace. Required if the namespace was created after keyferry's first pass over the cluster, because any user may have created it.",
    ),
  makeHmacKey: z
    .boolean()
    .exactOptional()
    .describe(
      "false: do not create the HMAC key of Vault Secrets Operator (Secret vso-cc-storage-hmac-key in the operator namespace). Otherwise keyferry creates it if there is none and no resource has a MAC yet.",
    ),
  vault: clusterVault.exactOptional(),
  vaultAddresses,
  injector: clusterInjector.exactOptional(),
  globalTransformationOptions: globalTransformationOptions.exactOptional(),
  push: push(namespaces).exactOptional(),
  besideVso: z
    .array(z.string().check(namespacePattern))
    .exactOptional()
    .describe(
      "Namespaces in which keyferry works although Vault Secrets Operator runs in the cluster; * stands for any characters. Not set: keyferry suspends its work.",
    ),
};

const { labels: clusterLabels, ...rest } = settings;
/** A uid is that of one namespace in one cluster. */
const { operatorNamespaceUid: _ofOne, ...ofAll } = settings;
const cluster = z.strictObject({
  name: z.string().check(dnsLabel).describe("Name of the cluster: part of the key of every sync."),
  labels: clusterLabels,
  connect,
  ...rest,
  injector: clusterInjector
    .extend(injectorServingOfCluster)
    .exactOptional()
    .describe("The injector in this cluster. Each field comes before that of the fleet."),
});

/** The version of fleet.yaml, which is not that of any resource. */
export const FLEET_API_VERSION = `${KEYFERRY_GROUP}/v1alpha1` as const;

export const fleetSchema = z.strictObject({
  apiVersion: z.literal(FLEET_API_VERSION),
  kind: z.literal("Fleet"),
  vaults,
  injector: fleetInjector
    .extend(injectorServing)
    .exactOptional()
    .describe("The admission webhook for pods with annotations of the Vault Agent Injector: what pods get, and how."),
  clusters: z.array(cluster).default([]).describe("The clusters. May be empty if there are hubs."),
  hubs: hubs(connect, z.strictObject(ofAll).prefault({})),
});

/** The JSON Schema of fleet.yaml, for editors. */
export function fleetJsonSchema(): Record<string, unknown> {
  const generated = z.toJSONSchema(fleetSchema, { io: "input", target: "draft-07" });
  return { ...generated, $id: "urn:keyferry:fleet:v1alpha1", title: "keyferry fleet" };
}
