import type { InjectorOverrides } from "../../../../lib/injector-settings.ts";
import type { TestPod } from "../support.ts";
import type { Wanted } from "../wanted.ts";

/** A Pod, and what becomes of it. */
export interface PodCase {
  readonly title: string;
  /** Beside those of `aPod`; without the prefix `vault.hashicorp.com/`. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly settings?: InjectorOverrides;
  /** Changes `aPod` before the review. */
  readonly given?: (pod: TestPod) => void;
  /** Changes what `aPod` becomes. */
  readonly want?: (wanted: Wanted) => void;
  readonly warnings?: readonly RegExp[];
  /** Kubernetes refuses the name of an annotation, later than the injector sees it. */
  readonly isImpossible?: true;
}

/** Without a cache, the sidecar does not know what the init container got. */
export const INIT_STAYS = /agent-revoke-on-shutdown: the token and the leases of vault-agent-init are not revoked/;

/** A Pod that may not be created. */
export interface RefusedCase extends Pick<PodCase, "title" | "annotations" | "settings" | "given"> {
  readonly namespace?: string;
  readonly code?: number;
  readonly reasons: readonly RegExp[];
}

export function without(name: string): (pod: TestPod) => void {
  return (pod) => {
    delete pod.metadata.annotations?.[`vault.hashicorp.com/${name}`];
  };
}

/** A template of the configuration, with its usual delimiters. */
export function template(destination: string, rest: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { destination, ...rest, left_delimiter: "{{", right_delimiter: "}}" };
}

export function mapOf(path: string): Record<string, unknown> {
  return { contents: `{{ with secret "${path}" }}{{ range $k, $v := .Data }}{{ $k }}: {{ $v }}\n{{ end }}{{ end }}` };
}

export function jsonOf(path: string): Record<string, unknown> {
  return { contents: `{{ with secret "${path}" }}{{ .Data | toJSON }}\n{{ end }}` };
}

/** Sets fields of both configurations' only template. */
export function inTemplate(fields: Readonly<Record<string, unknown>>): (wanted: Wanted) => void {
  return ({ configs }) => {
    for (const { template: list } of configs) list[0] = { ...list[0], ...fields };
  };
}

/** Puts variables before `VAULT_CONFIG` of both agents. */
export function withEnv(...env: readonly { name: string; value: string }[]): (wanted: Wanted) => void {
  return ({ agents }) => {
    for (const agent of agents) {
      const at = agent.env?.findIndex(({ name }) => name === "VAULT_LOG_LEVEL") ?? 0;
      agent.env?.splice(at, 0, ...env);
    }
  };
}

export function setEnv(name: string, value: string): (wanted: Wanted) => void {
  return ({ agents }) => {
    for (const { env = [] } of agents) for (const one of env) if (one.name === name) one.value = value;
  };
}

/** Leaves out a container that the Pod does not get, with its home. */
export function withoutInit({ pod }: Wanted): void {
  const rest = pod.spec.initContainers?.filter(({ name }) => name !== "vault-agent-init") ?? [];
  if (rest.length === 0) delete pod.spec.initContainers;
  else pod.spec.initContainers = rest;
  pod.spec.volumes = pod.spec.volumes?.filter(({ name }) => name !== "home-init") ?? [];
}

export function withoutSidecar({ pod }: Wanted): void {
  pod.spec.containers = pod.spec.containers.filter(({ name }) => name !== "vault-agent");
  pod.spec.volumes = pod.spec.volumes?.filter(({ name }) => name !== "home-sidecar") ?? [];
}

export function both(...changes: readonly ((wanted: Wanted) => void)[]): (wanted: Wanted) => void {
  return (wanted) => {
    for (const change of changes) change(wanted);
  };
}

/** Adds a volume of the agent after the others, and mounts it into both agents after their other mounts. */
export function agentVolume(
  volume: { name: string; [field: string]: unknown },
  mountPath: string,
  rest: Readonly<Record<string, unknown>> = { readOnly: true },
): (wanted: Wanted) => void {
  return ({ pod, agents }) => {
    pod.spec.volumes?.push(volume);
    for (const { volumeMounts } of agents) volumeMounts?.push({ name: volume.name, mountPath, ...rest });
  };
}

/** Changes each agent and its configuration. */
export function each(
  change: (agent: Wanted["init"], config: Wanted["configs"][number]) => void,
): (wanted: Wanted) => void {
  return ({ agents, configs }) => agents.forEach((agent, at) => void change(agent, configs[at === 0 ? 0 : 1]));
}
