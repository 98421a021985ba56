import { z } from "zod";
import { labelProblem, qualifiedNameProblem } from "../names.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Complaint } from "../util/complaints.ts";
import { valueAt } from "../util/complaints.ts";
import { dnsLabel, problemCheck } from "./checks.ts";
import type { Connect } from "./connect-schema.ts";

/** Hubs in fleet.yaml: clusters whose objects are clusters of the fleet. */

export interface Hub {
  readonly name: string;
  /** How to reach the hub cluster itself. */
  readonly connect: Connect;
  /** Exactly one of both. */
  readonly argocd?: { readonly namespace: string };
  readonly clusterProfile?: ClusterProfiles;
  readonly selector?: Selector;
  readonly defaults: HubDefaults;
}

export interface ClusterProfiles {
  /** Missing: all namespaces. */
  readonly namespace?: string;
  readonly providers: readonly AccessProvider[];
}

/** A way to log in that ClusterProfiles name: a plugin, and its arguments. */
export interface AccessProvider {
  readonly name: string;
  readonly execConfig: ExecConfig;
}

export interface ExecConfig {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
}

export interface Selector {
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly matchExpressions: readonly {
    readonly key: string;
    readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
    readonly values: readonly string[];
  }[];
}

/** The settings of all clusters of a hub. */
export type HubDefaults = Omit<ClusterSettings, "name">;

/** With `hub:` before it, as long as the name of a cluster. */
const MAX_NAME = 59;

const hubName = z
  .string()
  .refine((text) => text.length <= MAX_NAME, `must have ${MAX_NAME} characters at most`)
  .check(dnsLabel)
  .describe("Name of the hub: commands and logs write it as hub:NAME.");

const namespace = z.string().check(dnsLabel);

const argocd = z
  .strictObject({ namespace: namespace.default("argocd").describe("Namespace of Argo CD.") })
  .describe("Cluster Secrets of Argo CD: Secrets with the label argocd.argoproj.io/secret-type: cluster.");

const execConfig = z
  .looseObject({
    command: z.string().min(1).describe("Program of the provider. keyferry knows some, and runs none."),
    args: z.array(z.string()).default([]).describe("Its arguments."),
    env: z
      .array(z.strictObject({ name: z.string(), value: z.string() }))
      .default([])
      .describe("Its environment."),
  })
  .describe("The provider, as in the provider file of the cluster inventory API. Other fields have no effect.");

const clusterProfile = z
  .strictObject({
    namespace: namespace.exactOptional().describe("Namespace of the ClusterProfiles. Not set: all namespaces."),
    providers: z
      .array(z.strictObject({ name: z.string().min(1).describe("Name in status.accessProviders."), execConfig }))
      .default([])
      .describe("How to log in, by the name that a ClusterProfile gives; the first one that it names is used."),
  })
  .describe("ClusterProfiles of the cluster inventory API (multicluster.x-k8s.io/v1alpha1).");

const labelKey = z.string().check(
  problemCheck((text) => {
    const problem = qualifiedNameProblem(text);
    return problem === undefined ? [] : [problem];
  }),
);

const selector = z
  .strictObject({
    matchLabels: z
      .record(z.string(), z.string())
      .check((payload) => {
        for (const [key, value] of Object.entries(payload.value)) {
          const message = labelProblem(key, value);
          if (message !== undefined) payload.issues.push({ code: "custom", message, input: value, path: [key] });
        }
      })
      .default({}),
    matchExpressions: z
      .array(
        z
          .strictObject({
            key: labelKey,
            operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
            values: z.array(z.string()).default([]),
          })
          .check((payload) => {
            const { key, operator, values } = payload.value;
            const takesValues = operator === "In" || operator === "NotIn";
            const message =
              takesValues !== values.length > 0
                ? `must ${takesValues ? "have" : "not have"} values with ${operator}`
                : values.map((value) => labelProblem(key, value)).find((problem) => problem !== undefined);
            if (message !== undefined)
              payload.issues.push({ code: "custom", message, input: values, path: ["values"] });
          }),
      )
      .default([]),
  })
  .describe("Labels of the objects that count, as in a Kubernetes label selector. Not set: all.");

/** The schema of hubs; `defaults` are fields of a cluster, and `connect` is that of a cluster. */
export function hubs<C extends z.ZodType, D extends z.ZodType>(connect: C, defaults: D) {
  const hub = z
    .strictObject({
      name: hubName,
      connect,
      argocd: argocd.exactOptional(),
      clusterProfile: clusterProfile.exactOptional(),
      selector: selector.exactOptional(),
      defaults: defaults.describe("Settings of every cluster of the hub."),
    })
    .describe("A cluster whose objects are clusters of the fleet.");
  return z.array(hub).default([]).describe("Hubs: clusters whose objects are clusters of the fleet.");
}

/** Complaints about the hub at `at` that concern several of its fields. */
export function hubComplaints(hub: unknown, at: readonly PropertyKey[]): readonly Complaint[] {
  const kinds = ["argocd", "clusterProfile"].filter((kind) => valueAt(hub, [kind]) !== undefined);
  const lent = valueAt(hub, ["defaults", "vault", "identities"]);
  return [
    ...(kinds.length === 1 ? [] : [{ path: at, message: "must have exactly one of argocd, clusterProfile" }]),
    // Anyone who may add a cluster to the hub would log in to Vault as keyferry.
    ...(Array.isArray(lent) && lent.length > 0
      ? [
          {
            path: [...at, "defaults", "vault", "identities"],
            message: "can't be lent to the clusters of a hub: name the cluster in clusters instead",
          },
        ]
      : []),
  ];
}

/** `env=prod,tier in (a,b)`: as the API takes it. Undefined: all objects. */
export function selectorText({ selector }: Pick<Hub, "selector">): string | undefined {
  if (selector === undefined) return undefined;
  const equal = Object.entries(selector.matchLabels).map(([key, value]) => `${key}=${value}`);
  const more = selector.matchExpressions.map(({ key, operator, values }) => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    return `${key} ${operator === "In" ? "in" : "notin"} (${values.join(",")})`;
  });
  const all = [...equal, ...more];
  return all.length === 0 ? undefined : all.join(",");
}
