import { type TestContainer, type TestPod, TOKEN_PATH, VAULT } from "./support.ts";

/** The Pod of `aPod` as the injector of HashiCorp leaves it, written down from its observed behaviour. */

export interface AgentConfig {
  auto_auth: { method: Record<string, unknown> & { config: Record<string, string> }; sink: unknown[] };
  vault: Record<string, unknown>;
  template: Record<string, unknown>[];
  template_config: Record<string, unknown>;
  [field: string]: unknown;
}

export interface Wanted {
  readonly pod: TestPod;
  readonly web: TestContainer;
  readonly log: TestContainer;
  readonly init: TestContainer;
  readonly sidecar: TestContainer;
  /** The configurations of both, in this order. */
  readonly configs: readonly [AgentConfig, AgentConfig];
  /** Both containers. */
  readonly agents: readonly [TestContainer, TestContainer];
}

export function agentConfig(exitAfterAuth: boolean): AgentConfig {
  return {
    auto_auth: {
      method: {
        type: "kubernetes",
        mount_path: "auth/kubernetes",
        config: { token_path: `${TOKEN_PATH}/token`, role: "shop" },
      },
      sink: [{ type: "file", config: { path: "/home/vault/.vault-token" } }],
    },
    exit_after_auth: exitAfterAuth,
    pid_file: "/home/vault/.pid",
    vault: { address: VAULT },
    template: [
      {
        destination: "/vault/secrets/db",
        contents: '{{ with secret "kv/data/shop" }}{{ range $k, $v := .Data }}{{ $k }}: {{ $v }}\n{{ end }}{{ end }}',
        left_delimiter: "{{",
        right_delimiter: "}}",
      },
    ],
    template_config: { exit_on_retry_failure: true },
  };
}

function fieldRef(name: string, fieldPath: string) {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

function agent(name: string, config: AgentConfig): TestContainer {
  return {
    name,
    image: "hashicorp/vault:2.0.4",
    command: ["/bin/sh", "-ec"],
    args: [
      `echo \${VAULT_CONFIG?} | base64 -d > /home/vault/config.json && vault agent -config=/home/vault/config.json`,
    ],
    env: [
      fieldRef("NAMESPACE", "metadata.namespace"),
      fieldRef("HOST_IP", "status.hostIP"),
      fieldRef("POD_IP", "status.podIP"),
      { name: "VAULT_LOG_LEVEL", value: "info" },
      { name: "VAULT_LOG_FORMAT", value: "standard" },
      { name: "VAULT_CONFIG", value: config },
    ],
    resources: { limits: { cpu: "500m", memory: "128Mi" }, requests: { cpu: "250m", memory: "64Mi" } },
    securityContext: {
      runAsUser: 100,
      runAsGroup: 1000,
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      allowPrivilegeEscalation: false,
    },
  };
}

export function memory(name: string) {
  return { name, emptyDir: { medium: "Memory" } };
}

/** What `given` becomes without any annotation but those of `aPod`. */
export function wanted(given: TestPod): Wanted {
  const pod = structuredClone(given);
  const configs = [agentConfig(true), agentConfig(false)] as const;
  const token = { name: "kube-api-access-x", mountPath: TOKEN_PATH, readOnly: true };
  const secrets = () => ({ name: "vault-secrets", mountPath: "/vault/secrets" });
  const init = agent("vault-agent-init", configs[0]);
  init.volumeMounts = [{ name: "home-init", mountPath: "/home/vault" }, { ...token }, secrets()];
  const sidecar = agent("vault-agent", configs[1]);
  sidecar.volumeMounts = [{ ...token }, { name: "home-sidecar", mountPath: "/home/vault" }, secrets()];
  sidecar.lifecycle = {};
  const [web, log] = pod.spec.containers;
  if (web === undefined || log === undefined) throw new Error("the Pod of a test has two containers");
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    container.volumeMounts = [...(container.volumeMounts ?? []), secrets()];
  }
  pod.spec.volumes = [
    ...(pod.spec.volumes ?? []),
    memory("home-init"),
    memory("home-sidecar"),
    memory("vault-secrets"),
  ];
  pod.spec.initContainers = [...(pod.spec.initContainers ?? []), init];
  pod.spec.containers = [...pod.spec.containers, sidecar];
  pod.metadata.annotations = { ...pod.metadata.annotations, "vault.hashicorp.com/agent-inject-status": "injected" };
  return { pod, web, log, init, sidecar, configs, agents: [init, sidecar] };
}
