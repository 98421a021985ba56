import { pemCertificates } from "../util/pem.ts";
import { ANNOTATION, CONFIGURATION, keyIn, registeredConfig, WEBHOOK } from "./registration.ts";

/** Judges what an API server said about the pods of `keyferry injector check`. */

/** What became of a pod that was created as a dry run. */
export type DryRun =
  | { readonly pod: unknown }
  | { readonly refusedBy: string | undefined; readonly how: "denied" | "broken" | "undryable" };

/** The name of vault-k8s's webhook, whatever its configuration is called. */
const VAULT_K8S = "vault.hashicorp.com";

const STATUS = `${ANNOTATION}-status`;

/** Fits also the strictest Pod Security level, so that only the webhook decides. */
const SPEC = {
  containers: [
    {
      name: "app",
      image: "keyferry.dev/check",
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    },
  ],
  securityContext: { runAsNonRoot: true, runAsUser: 100, seccompProfile: { type: "RuntimeDefault" } },
};

function pod(annotations: Readonly<Record<string, string>>): object {
  return { apiVersion: "v1", kind: "Pod", metadata: { generateName: "keyferry-check-", annotations }, spec: SPEC };
}

/** A pod that no webhook of this kind has to do with. */
export const PLAIN_POD = pod({});
/** A pod that every injector refuses: the API server then says which one did. */
export const REFUSED_POD = pod({ [ANNOTATION]: "keyferry-check" });
/** A pod that is to be injected. */
export const INJECTED_POD = pod({
  [ANNOTATION]: "true",
  [`${ANNOTATION}-secret-check`]: "secret/data/keyferry-check",
  "vault.hashicorp.com/role": "keyferry-check",
});

/** Whether our webhook was asked, or why not. */
export function reachedBy(refused: DryRun): { readonly isReached: boolean; readonly says: string } {
  if ("pod" in refused) {
    return {
      isReached: false,
      says: "the API server created the pod without asking the webhook: apply keyferry injector manifests, and check that the namespace is not excluded",
    };
  }
  const { refusedBy = "without a readable name", how } = refused;
  if (refusedBy === WEBHOOK && how === "denied") return { isReached: true, says: "the webhook answered" };
  if (refusedBy === WEBHOOK) {
    return {
      isReached: false,
      says: "the API server got no answer from the webhook: check the URL, the key (is its hash deployed?), the certificate, and whether the control plane may connect to it",
    };
  }
  const other = refusedBy === VAULT_K8S ? "vault-k8s" : "another webhook";
  return {
    isReached: false,
    says: `${other} (${refusedBy}) refused the pod first, so the API server did not ask keyferry`,
  };
}

/** Whether the pod was injected. */
export function injectedBy(answer: DryRun): { readonly isInjected: boolean; readonly says: string } {
  if (!("pod" in answer)) {
    return {
      isInjected: false,
      says: `webhook ${answer.refusedBy ?? "?"} refused the pod; the log of keyferry says why`,
    };
  }
  const { metadata, spec } = answer.pod as { metadata?: Metadata; spec?: Spec };
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ name }) => name);
  const agents = containers.filter((name) => name?.startsWith("vault-agent"));
  const isInjected = metadata?.annotations?.[STATUS] === "injected" && agents.length > 0;
  return isInjected
    ? { isInjected, says: `the pod has ${agents.join(" and ")}` }
    : { isInjected, says: "the pod came back without an agent" };
}

interface Metadata {
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Spec {
  readonly containers?: readonly { readonly name?: string }[];
  readonly initContainers?: readonly { readonly name?: string }[];
}

/** The configurations of vault-k8s among these, whatever they are called. */
export function besideUs(configurations: readonly unknown[]): readonly string[] {
  return configurations.flatMap((one) => {
    const { metadata, webhooks = [] } = one as {
      metadata?: { name?: string };
      webhooks?: readonly { name?: string }[];
    };
    const isOther = metadata?.name !== CONFIGURATION && webhooks.some(({ name }) => name === VAULT_K8S);
    return isOther ? [metadata?.name ?? ""] : [];
  });
}

/** Whether API servers ask the webhooks of this configuration before ours: they do so in the order of the names. */
export function isBeforeUs(name: string): boolean {
  return name < CONFIGURATION;
}

/** The host, the key and the CA certificates (base64 of PEM) that our registration names; undefined: it is not registered. */
export function registered(
  configurations: readonly unknown[],
): { readonly host: string; readonly key: string; readonly caBundle: string } | undefined {
  const ours = configurations.find((one) => (one as { metadata?: { name?: string } }).metadata?.name === CONFIGURATION);
  const config = registeredConfig(ours);
  const host = URL.parse(config?.url ?? "")?.host;
  const { caBundle = "" } = config ?? {};
  return config === undefined || host === undefined ? undefined : { host, key: keyIn(config), caBundle };
}

/** Which of these CA certificates (PEM) a registered bundle has. */
export function casOf(caBundle: string, wanted: string): "all" | "some" | "none" {
  const found = new Set(certificatesIn(Buffer.from(caBundle, "base64").toString()));
  const all = certificatesIn(wanted);
  const count = all.filter((one) => found.has(one)).length;
  if (count === all.length) return "all";
  return count === 0 ? "none" : "some";
}

function certificatesIn(pem: string): readonly string[] {
  return pemCertificates(pem).map((one) => one.replace(/\s/g, ""));
}
