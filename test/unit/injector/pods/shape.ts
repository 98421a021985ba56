import { TOKEN_PATH } from "../support.ts";
import type { Wanted } from "../wanted.ts";
import { agentVolume, both, type PodCase, withoutInit, withoutSidecar } from "./case.ts";

function resources(limits: Readonly<Record<string, string>>, requests: Readonly<Record<string, string>>) {
  return ({ agents }: Wanted) => {
    for (const agent of agents) agent.resources = { limits, requests };
  };
}

const LIMITS = { cpu: "500m", memory: "128Mi" };
const REQUESTS = { cpu: "250m", memory: "64Mi" };

function configMap({ agents, pod }: Wanted): void {
  for (const agent of agents) {
    const file = agent.name === "vault-agent" ? "config.hcl" : "config-init.hcl";
    agent.args = [`touch /home/vault/.vault-token && vault agent -config=/vault/configs/${file}`];
    agent.env = [
      ...(agent.env?.filter(({ name }) => name !== "VAULT_CONFIG") ?? []),
      { name: "VAULT_ADDR", value: "https://vault.example.com:8200" },
      { name: "VAULT_SKIP_VERIFY", value: "false" },
    ];
    agent.volumeMounts?.push({ name: "vault-config", mountPath: "/vault/configs", readOnly: true });
  }
  pod.spec.volumes?.push({ name: "vault-config", configMap: { name: "shop-agent" } });
}

function otherInit(name: string) {
  return { name, image: "busybox:1", volumeMounts: [{ name: "kube-api-access-x", mountPath: TOKEN_PATH }] };
}

export const SHAPE: readonly PodCase[] = [
  {
    title: "no init container without agent-pre-populate",
    annotations: { "agent-pre-populate": "false" },
    want: withoutInit,
  },
  {
    title: "an empty agent-pre-populate is false",
    annotations: { "agent-pre-populate": "" },
    want: withoutInit,
  },
  {
    title: "no sidecar with agent-pre-populate-only",
    annotations: { "agent-pre-populate-only": "true" },
    want: withoutSidecar,
  },
  {
    title: "agent-pre-populate-only without agent-pre-populate gives no agent, with a warning",
    annotations: { "agent-pre-populate-only": "true", "agent-pre-populate": "false" },
    want: both(withoutInit, withoutSidecar),
    warnings: [/^vault\.hashicorp\.com\/agent-pre-populate-only: without agent-pre-populate the pod gets no agent/],
  },
  {
    title: "other init containers run before the agent, and get the files",
    given: (pod) => {
      pod.spec.initContainers = [otherInit("first"), otherInit("second")];
    },
  },
  {
    title: "agent-init-first runs the agent before other init containers",
    annotations: { "agent-init-first": "true" },
    given: (pod) => {
      pod.spec.initContainers = [otherInit("first"), otherInit("second")];
    },
    want: ({ pod }) => {
      const [first, second, agent] = pod.spec.initContainers ?? [];
      pod.spec.initContainers = [agent, first, second].filter((one) => one !== undefined);
    },
  },
  { title: "agent-init-first alone", annotations: { "agent-init-first": "true" } },
  {
    title: "other init containers get no files without an init container of the agent",
    annotations: { "agent-pre-populate": "false" },
    given: (pod) => {
      pod.spec.initContainers = [otherInit("first")];
    },
    want: both(({ pod }) => void pod.spec.initContainers?.[0]?.volumeMounts?.pop(), withoutInit),
  },
  {
    title: "a container without mounts",
    given: (pod) => {
      delete pod.spec.containers[1]?.volumeMounts;
    },
  },
  {
    title: "an image",
    annotations: { "agent-image": "registry.example.com/vault:1.21.2" },
    want: ({ agents }) => {
      for (const agent of agents) agent.image = "registry.example.com/vault:1.21.2";
    },
  },
  { title: "an empty image is the default one", annotations: { "agent-image": "" } },
  { title: "a ConfigMap", annotations: { "agent-configmap": "shop-agent" }, want: configMap },
  {
    title: "a ConfigMap needs no role",
    annotations: { "agent-configmap": "shop-agent", role: "" },
    want: configMap,
  },
  {
    title: "a ConfigMap needs no address",
    annotations: { "agent-configmap": "shop-agent" },
    settings: { vaultAddress: "" },
    want: both(configMap, ({ agents }) => {
      for (const agent of agents) agent.env = agent.env?.filter(({ name }) => name !== "VAULT_ADDR") ?? [];
    }),
  },
  {
    title: "a ConfigMap with the connection's annotations in the environment",
    annotations: {
      "agent-configmap": "shop-agent",
      "ca-cert": "/vault/tls/ca.crt",
      "ca-key": "/vault/tls/cas",
      "client-cert": "/vault/tls/client.crt",
      "client-key": "/vault/tls/client.key",
      "tls-server-name": "vault",
      "tls-skip-verify": "true",
    },
    want: both(configMap, ({ agents }) => {
      for (const agent of agents) {
        agent.env = [
          ...(agent.env?.slice(0, -2) ?? []),
          { name: "VAULT_ADDR", value: "https://vault.example.com:8200" },
          { name: "VAULT_CACERT", value: "/vault/tls/ca.crt" },
          { name: "VAULT_CAPATH", value: "/vault/tls/cas" },
          { name: "VAULT_CLIENT_CERT", value: "/vault/tls/client.crt" },
          { name: "VAULT_CLIENT_KEY", value: "/vault/tls/client.key" },
          { name: "VAULT_SKIP_VERIFY", value: "true" },
          { name: "VAULT_TLS_SERVER_NAME", value: "vault" },
        ];
      }
    }),
  },
  {
    title: "an extra Secret",
    annotations: { "agent-extra-secret": "shop-templates" },
    want: agentVolume({ name: "extra-secrets", secret: { secretName: "shop-templates" } }, "/vault/custom"),
  },
  {
    title: "a Secret for TLS",
    annotations: { "tls-secret": "vault-tls" },
    want: agentVolume({ name: "vault-tls-secrets", secret: { secretName: "vault-tls" } }, "/vault/tls"),
  },
  {
    title: "extra Secret, copied mounts, ConfigMap, TLS and cache in this order",
    annotations: {
      "agent-extra-secret": "shop-templates",
      "agent-configmap": "shop-agent",
      "tls-secret": "vault-tls",
      "agent-cache-enable": "true",
      "agent-copy-volume-mounts": "web",
    },
    given: (pod) => {
      pod.spec.volumes?.push({ name: "data", emptyDir: {} });
      pod.spec.containers[0]?.volumeMounts?.push({ name: "data", mountPath: "/data", subPath: "a" });
    },
    want: (want) => {
      configMap(want);
      want.pod.spec.volumes?.push(
        { name: "extra-secrets", secret: { secretName: "shop-templates" } },
        { name: "vault-tls-secrets", secret: { secretName: "vault-tls" } },
        { name: "vault-agent-cache", emptyDir: { medium: "Memory" } },
      );
      for (const { volumeMounts } of want.agents) {
        volumeMounts?.splice(
          3,
          0,
          { name: "extra-secrets", mountPath: "/vault/custom", readOnly: true },
          { name: "data", mountPath: "/data", subPath: "a" },
        );
        volumeMounts?.push(
          { name: "vault-tls-secrets", mountPath: "/vault/tls", readOnly: true },
          { name: "vault-agent-cache", mountPath: "/vault/agent-cache" },
        );
      }
    },
  },
  {
    title: "mounts of an init container are copied, but no token",
    annotations: { "agent-copy-volume-mounts": "first" },
    given: (pod) => {
      const first = otherInit("first");
      pod.spec.initContainers = [
        { ...first, volumeMounts: [...first.volumeMounts, { name: "data", mountPath: "/data" }] },
      ];
      pod.spec.volumes?.push({ name: "data", emptyDir: {} });
    },
    want: ({ agents }) => {
      for (const { volumeMounts } of agents) volumeMounts?.push({ name: "data", mountPath: "/data" });
    },
  },
  {
    title: "mounts of an unknown container, with a warning",
    annotations: { "agent-copy-volume-mounts": "nobody" },
    warnings: [/^vault\.hashicorp\.com\/agent-copy-volume-mounts: names no container of the pod/],
  },
  { title: "agent-request-namespace has no effect", annotations: { "agent-request-namespace": "elsewhere" } },
  {
    title: "limits and requests",
    annotations: {
      "agent-limits-cpu": "1",
      "agent-limits-mem": "256Mi",
      "agent-limits-ephemeral": "1Gi",
      "agent-requests-cpu": "0.1",
      "agent-requests-mem": "1e8",
      "agent-requests-ephemeral": "512M",
    },
    want: resources(
      { cpu: "1", memory: "256Mi", "ephemeral-storage": "1Gi" },
      { cpu: "0.1", memory: "1e8", "ephemeral-storage": "512M" },
    ),
  },
  {
    title: "an empty limit is none",
    annotations: { "agent-limits-cpu": "" },
    want: resources({ memory: "128Mi" }, REQUESTS),
  },
  {
    title: "an empty request is none",
    annotations: { "agent-requests-mem": "", "agent-requests-cpu": "" },
    want: resources(LIMITS, {}),
  },
  {
    title: "a shared process namespace",
    annotations: { "agent-share-process-namespace": "true" },
    want: ({ pod }) => {
      pod.spec.shareProcessNamespace = true;
    },
  },
  {
    title: "a shared process namespace without an init container",
    annotations: { "agent-share-process-namespace": "true", "agent-pre-populate": "false" },
    want: both(withoutInit, ({ pod }) => {
      pod.spec.shareProcessNamespace = true;
    }),
  },
  {
    title: "a process namespace that is shared already",
    annotations: { "agent-share-process-namespace": "true" },
    given: (pod) => {
      pod.spec.shareProcessNamespace = true;
    },
  },
  {
    title: "a process namespace that is not shared, and shall not be",
    annotations: { "agent-share-process-namespace": "false" },
    given: (pod) => {
      pod.spec.shareProcessNamespace = false;
    },
  },
  {
    title: "no shared process namespace",
    annotations: { "agent-share-process-namespace": "false" },
    want: ({ pod }) => {
      pod.spec.shareProcessNamespace = false;
    },
  },
  {
    title: "a patch of the sidecar",
    annotations: {
      "agent-json-patch": '[{"op":"replace","path":"/name","value":"agent"},{"op":"remove","path":"/env/0"}]',
    },
    want: ({ sidecar }) => {
      sidecar.name = "agent";
      sidecar.env?.shift();
    },
  },
  {
    title: "a patch of the init container",
    annotations: { "agent-init-json-patch": '[{"op":"add","path":"/securityContext/runAsUser","value":7}]' },
    want: ({ init }) => {
      init.securityContext = { ...(init.securityContext as object), runAsUser: 7 };
    },
  },
  { title: "empty patches", annotations: { "agent-json-patch": "", "agent-init-json-patch": "[]" } },
];
