/** The MutatingWebhookConfiguration of a cluster. */

/**
 * API servers call webhooks in the order of the names of their configurations: after that of EKS's pod identity, whose
 * token the agent uses, and after vault-k8s's own for most names of its release. Two injectors side by side inject once.
 */
export const CONFIGURATION = "vault-agent-injector-keyferry";
export const WEBHOOK = "vault-agent-injector.keyferry.dev";

/** For clusters before Kubernetes 1.28, which know no matchConditions. */
export const NAMESPACE_LABEL = "keyferry.dev/inject";

export const ANNOTATION = "vault.hashicorp.com/agent-inject";

const STATUS = `${ANNOTATION}-status`;

/** Longer than a cold start; a controller tries again by itself. */
const TIMEOUT_SECONDS = 5;

/** Where API servers find the webhook. */
export interface ClientConfig {
  readonly url: string;
  /** Base64 of PEM. Missing: the API server's own roots. */
  readonly caBundle?: string;
}

export interface RegistrationOptions {
  /** `https://host[:port]`, without a path. */
  readonly url: string;
  readonly cluster: string;
  readonly key: string;
  /** PEM. */
  readonly ca?: string;
}

/** Where the API server of this cluster finds the webhook. */
export function clientConfig({ url, cluster, key, ca }: RegistrationOptions): ClientConfig {
  const at = `${url.replace(/\/+$/, "")}/c/${cluster}/${key}/mutate`;
  return { url: at, ...(ca === undefined ? {} : { caBundle: Buffer.from(ca).toString("base64") }) };
}

/** By annotation: other pods never leave the API server. By label: all pods of the labelled namespaces do. */
export type Selection = "annotation" | "namespace-label";

/** The whole object, as it is applied: only to this version, if one is given. */
export function webhookConfiguration(
  config: ClientConfig,
  selection: Selection = "annotation",
  version: Version = {},
): object {
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name: CONFIGURATION, ...version, labels: { "app.kubernetes.io/managed-by": "keyferry" } },
    webhooks: [
      {
        name: WEBHOOK,
        admissionReviewVersions: ["v1", "v1beta1"],
        clientConfig: config,
        rules: [
          { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"], scope: "Namespaced" },
        ],
        namespaceSelector: { matchExpressions: selector(selection) },
        ...(selection === "annotation" ? { matchConditions: CONDITIONS } : {}),
        failurePolicy: "Fail",
        matchPolicy: "Equivalent",
        reinvocationPolicy: "IfNeeded",
        sideEffects: "None",
        timeoutSeconds: TIMEOUT_SECONDS,
      },
    ],
  };
}

const CONDITIONS = [
  {
    name: "has-the-annotation",
    expression: `has(object.metadata.annotations) && '${ANNOTATION}' in object.metadata.annotations`,
  },
  {
    // By vault-k8s before keyferry, or by keyferry itself: a second call would change nothing.
    name: "is-not-injected",
    expression: `!(has(object.metadata.annotations) && '${STATUS}' in object.metadata.annotations && object.metadata.annotations['${STATUS}'] == 'injected')`,
  },
];

function selector(selection: Selection): readonly object[] {
  const never = {
    key: "kubernetes.io/metadata.name",
    operator: "NotIn",
    values: ["kube-system", "kube-public", "kube-node-lease"],
  };
  return selection === "annotation" ? [never] : [never, { key: NAMESPACE_LABEL, operator: "In", values: ["enabled"] }];
}

/** Changes where the webhook is, and leaves all else as it is: also what a person has changed, such as failurePolicy. */
export function clientConfigPatch(config: ClientConfig, version: Version): object {
  return { metadata: version, webhooks: [{ name: WEBHOOK, clientConfig: { caBundle: null, ...config } }] };
}

/** Which state of an object a change is meant for. */
interface Version {
  readonly resourceVersion?: string;
}

export function versionOf(object: unknown): Version {
  const { metadata } = (object ?? {}) as { metadata?: { resourceVersion?: unknown } };
  const resourceVersion = metadata?.resourceVersion;
  return typeof resourceVersion === "string" ? { resourceVersion } : {};
}

/** The key in a registered URL; empty: it is of another form. */
export function keyIn({ url }: ClientConfig): string {
  return URL.parse(url)?.pathname.split("/")[3] ?? "";
}

/** The clientConfig of our webhook in a configuration of a cluster. */
export function registeredConfig(object: unknown): ClientConfig | undefined {
  const { webhooks } = (object ?? {}) as { webhooks?: unknown };
  const ours = (Array.isArray(webhooks) ? webhooks : []).find((one) => (one as { name?: unknown })?.name === WEBHOOK);
  return (ours as { clientConfig?: ClientConfig } | undefined)?.clientConfig;
}
