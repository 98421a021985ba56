import type { TestPod } from "../support.ts";
import { type RefusedCase, without } from "./case.ts";

/** An annotation with a value that is refused, and the beginning of the reason. */
function refusedValue(name: string, value: string, reason: string): RefusedCase {
  const escaped = name.replaceAll(".", "\\.");
  return {
    title: `${name}: ${JSON.stringify(value)}`,
    annotations: { [name]: value },
    reasons: [new RegExp(`^${name.includes("/") ? "" : "vault\\.hashicorp\\.com/"}${escaped}: ${reason}`)],
  };
}

const BOOL = "must be true or false$";

function refusedPatch(patch: string, reason: string): RefusedCase {
  return refusedValue("agent-json-patch", patch, reason);
}

function withContainer(name: string): (pod: TestPod) => void {
  return (pod) => void pod.spec.containers.push({ name, image: "x" });
}

const VALUES: readonly RefusedCase[] = [
  ...["yes", "tRuE", " true", "2"].map((value) => refusedValue("agent-inject", value, BOOL)),
  ...[
    "agent-pre-populate",
    "agent-pre-populate-only",
    "agent-init-first",
    "agent-inject-token",
    "agent-revoke-on-shutdown",
    "agent-run-as-same-user",
    "agent-set-security-context",
    "agent-share-process-namespace",
    "agent-cache-enable",
    "agent-cache-exit-on-err",
    "agent-enable-quit",
    "agent-auto-auth-exit-on-err",
    "template-config-exit-on-retry-failure",
    "tls-skip-verify",
    "error-on-missing-key-db",
    "preserve-secret-case",
    "preserve-secret-case-db",
    "keyferry.dev/agent-native-sidecar",
    "keyferry.dev/agent-env-db",
  ].map((name) => refusedValue(name, "maybe", BOOL)),
  ...["", "-1", "1.5", "root", "2147483648", "0x10", " 1", "0".repeat(65)].map((value) =>
    refusedValue("agent-run-as-user", value, "must be a whole number from 0"),
  ),
  refusedValue("agent-run-as-group", "", "must be a whole number from 0"),
  ...["-1", "5s", ""].map((value) => refusedValue("agent-revoke-grace", value, "must be a whole number from 0")),
  ...["5", "1 m", "1d", "m"].map((value) => refusedValue("auth-min-backoff", value, "must be a duration of Go")),
  refusedValue("auth-max-backoff", "soon", "must be a duration of Go"),
  ...["lots", "-1", "1 Gi", "1KB", "1".repeat(65), "."].map((value) =>
    refusedValue("agent-limits-mem", value, "must be a quantity"),
  ),
  refusedValue("agent-limits-cpu", "x", "must be a quantity"),
  refusedValue("agent-limits-ephemeral", "x", "must be a quantity"),
  refusedValue("agent-requests-cpu", "x", "must be a quantity"),
  refusedValue("agent-requests-mem", "x", "must be a quantity"),
  refusedValue("agent-requests-ephemeral", "x", "must be a quantity"),
  refusedValue("agent-inject-default-template", "yaml", "must be map or json"),
  refusedValue("template-max-connections-per-host", "many", "must be a whole number"),
  ...["1.5", "x", "NaN", "", "-0.5", "0x0", "1e-9999", `0.${"0".repeat(70)}`].map((value) =>
    refusedValue("template-lease-renewal-threshold", value, "must be a number from 0 to 1"),
  ),
  refusedValue("keyferry.dev/agent-seccomp-profile", "Unconfined", "must be RuntimeDefault or none"),
  refusedValue("keyferry.dev/agent-binary", "consul", "must be vault or bao"),
  refusedPatch("{", "must be a JSON Patch: it is not JSON"),
  refusedPatch("{}", "must be a JSON Patch: a list"),
  refusedPatch('[{"op":"delete","path":"/a"}]', "operation 0 is none of RFC 6902"),
  refusedPatch('[{"op":"add","path":"a","value":1}]', "operation 0 is none of RFC 6902"),
  refusedPatch('[{"op":"add","path":"/a"}]', "operation 0 is none of RFC 6902"),
  refusedPatch('[{"op":"add","path":"/__proto__/x","value":1}]', "operation 0 is none of RFC 6902"),
  refusedPatch('[{"op":"remove","path":"/nothing"}]', "operation 0: its path does not exist"),
  refusedPatch('[{"op":"add","path":"/env/99","value":{}}]', "operation 0: its index is outside the list"),
  refusedPatch('[{"op":"test","path":"/name","value":"x"}]', "operation 0: the test fails"),
  refusedPatch('[{"op":"move","from":"/env","path":"/env/0/x"}]', "operation 0: moves a value into itself"),
  refusedPatch('[{"op":"replace","path":"","value":[]}]', "leaves no container"),
  refusedPatch('[{"op":"replace","path":"","value":null}]', "leaves no container"),
  refusedPatch('[{"op":"replace","path":"","value":"x"}]', "leaves no container"),
  refusedPatch('[{"op":"replace","path":"/name","value":""}]', "leaves a container without a name"),
  refusedPatch('[{"op":"replace","path":"/image","value":1}]', "leaves a container .* with an image that is no text"),
  refusedPatch('[{"op":"remove","path":"/name"}]', "leaves a container without a name"),
  refusedPatch(
    JSON.stringify(Array.from({ length: 40 }, () => ({ op: "copy", from: "", path: "/x" }))),
    "operation \\d+: copies and tests more than",
  ),
  refusedPatch(
    JSON.stringify(Array.from({ length: 101 }, () => ({ op: "remove", path: "/env/0" }))),
    "has more than 100 operations",
  ),
  refusedPatch(`${"[".repeat(40)}${"]".repeat(40)}`, "nests deeper than"),
];

export const REFUSED_PODS: readonly RefusedCase[] = [
  ...VALUES,
  { title: "no role", given: without("role"), reasons: [/^vault\.hashicorp\.com\/role: missing/] },
  { title: "no address", settings: { vaultAddress: "" }, reasons: [/^Vault's address: missing: set/] },
  {
    title: "all problems at once",
    annotations: { "agent-run-as-user": "", "tls-skip-verify": "maybe", role: "" },
    reasons: [/agent-run-as-user/, /tls-skip-verify/, /\/role: missing/],
  },
  ...["kube-system", "kube-public", "kube-node-lease"].map((namespace) => ({
    title: `the namespace ${namespace}`,
    namespace,
    reasons: [/^namespace: pods of Kubernetes' own namespaces/],
  })),
  { title: "no namespace", namespace: "", reasons: [/^namespace: missing from the request/] },
  {
    title: "an empty agent-request-namespace",
    annotations: { "agent-request-namespace": "" },
    reasons: [/^namespace: missing from the request/],
  },
  {
    title: "no token",
    given: (pod) => {
      for (const container of pod.spec.containers) delete container.volumeMounts;
    },
    reasons: [/^pod: no container has a service account's token/],
  },
  {
    title: "a named token that is no volume",
    annotations: { "agent-service-account-token-volume-name": "nothing" },
    reasons: [/agent-service-account-token-volume-name: is no volume of the pod/],
  },
  {
    title: "a named token that is no token",
    annotations: { "agent-service-account-token-volume-name": "data" },
    given: (pod) => void pod.spec.volumes?.push({ name: "data", emptyDir: {} }),
    reasons: [/agent-service-account-token-volume-name: is no projected volume/],
  },
  {
    title: "the user of a container that has none",
    annotations: { "agent-run-as-same-user": "true" },
    reasons: [/agent-run-as-same-user: the first container .* must have a securityContext.runAsUser/],
  },
  {
    title: "the user of a container that is root",
    annotations: { "agent-run-as-same-user": "true" },
    given: (pod) => {
      for (const container of pod.spec.containers) container.securityContext = { runAsUser: 0 };
    },
    reasons: [/agent-run-as-same-user: the first container/],
  },
  {
    title: "a process namespace that the pod does not share",
    annotations: { "agent-share-process-namespace": "true" },
    given: (pod) => {
      pod.spec.shareProcessNamespace = false;
    },
    reasons: [/agent-share-process-namespace: contradicts shareProcessNamespace/],
  },
  {
    title: "a container with the agent's name",
    given: withContainer("vault-agent"),
    reasons: [/^pod: already has a container with the name of the agent's/],
  },
  {
    title: "a volume with the name of one of the agent's",
    given: (pod) => void pod.spec.volumes?.push({ name: "vault-secrets", emptyDir: {} }),
    reasons: [/^pod: already has a volume with the name of one of the agent's/],
  },
  {
    title: "a patch that gives both agents one name",
    annotations: { "agent-json-patch": '[{"op":"replace","path":"/name","value":"vault-agent-init"}]' },
    reasons: [/^pod: already has a container with the name of the agent's/],
  },
  {
    title: "something else where the files go",
    given: (pod) => void pod.spec.containers[0]?.volumeMounts?.push({ name: "x", mountPath: "/vault/secrets" }),
    reasons: [/^container web: already mounts something where the files of secrets go/],
  },
  {
    title: "a copied mount at the path of another one",
    annotations: { "agent-copy-volume-mounts": "web", "tls-secret": "tls" },
    given: (pod) => void pod.spec.containers[0]?.volumeMounts?.push({ name: "x", mountPath: "/vault/tls" }),
    reasons: [/^agent: two volumes/],
  },
  {
    title: "an image that is not allowed",
    annotations: { "agent-image": "evil:1" },
    settings: { allowedImages: ["vault:*", "evil:2", "evil*", "evil:12"] },
    reasons: [/agent-image: is not one of injector.allowedImages/],
  },
  {
    title: "an image of a registry that is called as an allowed image",
    annotations: { "agent-image": "vault:5000/evil:1" },
    settings: { allowedImages: ["vault:*"] },
    reasons: [/agent-image: is not one of injector.allowedImages/],
  },
  {
    title: "an image that a patch names and that is not allowed",
    annotations: { "agent-init-json-patch": '[{"op":"replace","path":"/image","value":"evil:1"}]' },
    settings: { allowedImages: ["vault:*"] },
    reasons: [/agent-image: is not one of injector.allowedImages/],
  },
  ...["null", "1", '["vault:1"]', "{}"].map((value) => ({
    title: `an image that a patch replaces by ${value}`,
    annotations: { "agent-json-patch": `[{"op":"replace","path":"/image","value":${value}}]` },
    settings: { allowedImages: ["vault:*"] },
    reasons: [/agent-json-patch: leaves a container without a name, or with an image that is no text/],
  })),
  {
    title: "environment variables for a container without a command",
    annotations: { "keyferry.dev/agent-env-db": "true", "agent-inject-containers": "web" },
    reasons: [/^container web: has no command/],
  },
  {
    title: "environment variables without an init container",
    annotations: {
      "keyferry.dev/agent-env-db": "true",
      "agent-inject-containers": "web",
      "agent-pre-populate": "false",
    },
    given: (pod) => {
      for (const container of pod.spec.containers) container.command = ["/bin/app"];
    },
    reasons: [/^keyferry\.dev\/agent-env-NAME: needs agent-pre-populate/],
  },
  {
    title: "a configuration that no program starts with",
    annotations: { "agent-inject-template-db": "\u0001".repeat(20_000) },
    reasons: [/^secrets: the agent's configuration takes \d+ bytes/],
  },
  {
    title: "more secrets than the configuration holds",
    annotations: Object.fromEntries(Array.from({ length: 1_001 }, (_, at) => [`agent-inject-secret-s${at}`, "p"])),
    reasons: [/^secrets: the annotations declare more than 1000/],
  },
  {
    title: "more mounts than any pod has",
    annotations: Object.fromEntries(
      Array.from({ length: 100 }, (_, at) => [
        [`agent-inject-secret-s${at}`, "p"],
        [`secret-volume-path-s${at}`, `/x${at}`],
      ]).flat() as [string, string][],
    ),
    given: (pod) => {
      pod.spec.containers.push(...Array.from({ length: 200 }, (_, at) => ({ name: `c${at}` })));
    },
    reasons: [/^pod: needs more than 4000 mounts/],
  },
  {
    title: "more mounts than any pod has, of init containers",
    annotations: Object.fromEntries(
      Array.from({ length: 100 }, (_, at) => [
        [`agent-inject-secret-s${at}`, "p"],
        [`secret-volume-path-s${at}`, `/x${at}`],
      ]).flat() as [string, string][],
    ),
    given: (pod) => {
      pod.spec.initContainers = Array.from({ length: 100 }, (_, at) => ({ name: `c${at}` }));
    },
    reasons: [/^pod: needs more than 4000 mounts/],
  },
  {
    title: "annotations that are longer than Kubernetes allows",
    annotations: { "agent-inject-template-db": "x".repeat(257 * 1024) },
    reasons: [/^metadata\.annotations: longer than Kubernetes allows/],
  },
];
