import type { Json, JsonObject } from "../util/json.ts";
import { shellWord } from "../util/shell.ts";
import { agentConfigs, CACHE_PATH, HOME, type Role } from "./agent-config.ts";
import { agentEnv } from "./agent-env.ts";
import { VAULT_PREFIX } from "./annotations.ts";
import { imageOf } from "./images.ts";
import type { Injection } from "./injection.ts";
import { applyPatch, type Inapplicability } from "./json-patch.ts";
import type { Notes } from "./notes.ts";
import { isRevoked, revokeGrace, warnOfUnrevoked } from "./revocation.ts";
import { MAX_CONFIG } from "./secrets.ts";
import type { ValueOf } from "./value-types.ts";
import { VOLUMES } from "./volumes.ts";

/** The containers of the agent. */

export const CONTAINERS = { init: "vault-agent-init", sidecar: "vault-agent" } as const satisfies Record<Role, string>;

const PATCHES = { init: "agent-init-json-patch", sidecar: "agent-json-patch" } as const;

/** The containers that the pod gets, in their finished state. */
export function agentContainers(injection: Injection, notes: Notes): Readonly<Partial<Record<Role, JsonObject>>> {
  warnOfUnrevoked(injection, notes);
  const { hasInit, hasSidecar } = injection.shape;
  const configs = injection.configMap === undefined ? agentConfigs(injection, notes) : undefined;
  const made = (role: Role) => patched(container(injection, role, configs?.[role], notes), role, injection, notes);
  return { ...(hasInit ? { init: made("init") } : {}), ...(hasSidecar ? { sidecar: made("sidecar") } : {}) };
}

function container(injection: Injection, role: Role, config: JsonObject | undefined, notes: Notes): JsonObject {
  const size = config === undefined ? 0 : Math.ceil(Buffer.byteLength(JSON.stringify(config)) / 3) * 4;
  if (size > MAX_CONFIG) {
    notes.refuse(
      "secrets",
      `the agent's configuration takes ${size} bytes, but a variable holds ${MAX_CONFIG}: use template files, or agent-configmap`,
    );
  }
  const security = securityContext(injection);
  return {
    name: CONTAINERS[role],
    image: injection.image,
    command: ["/bin/sh", "-ec"],
    args: [startLine(injection, role)],
    env: agentEnv(injection, config),
    resources: resources(injection),
    volumeMounts: mounts(injection, role),
    ...(role === "sidecar" ? { lifecycle: isNativeRevoked(injection, role) ? {} : lifecycle(injection) } : {}),
    ...(role === "sidecar" && injection.shape.isNative ? { restartPolicy: "Always" } : {}),
    ...(security === undefined ? {} : { securityContext: security }),
  };
}

function startLine(injection: Injection, role: Role): string {
  const { binary, configMap } = injection;
  const run = isNativeRevoked(injection, role) ? untilStopped : (agent: string): string => agent;
  if (configMap !== undefined) {
    const file = role === "init" ? "config-init.hcl" : "config.hcl";
    return `touch ${HOME}/.vault-token && ${run(`${binary} agent -config=/vault/configs/${file}`, injection)}`;
  }
  const made = `echo \${VAULT_CONFIG?} | base64 -d > ${HOME}/config.json`;
  return `${made} && ${run(`${binary} agent -config=${HOME}/config.json`, injection)}`;
}

/**
 * A preStop hook would revoke too early here: Kubernetes runs those of native sidecars when the pod begins to stop, and
 * stops the agent only after the pod's own containers have ended.
 */
function isNativeRevoked(injection: Injection, role: Role): boolean {
  return role === "sidecar" && injection.shape.isNative && isRevoked(injection);
}

/** Lets the agent end when the container is stopped, and then revokes its token. An agent that ends by itself keeps it. */
function untilStopped(agent: string, injection: Injection): string {
  return [
    `{ trap 'stopped=1; kill -TERM $! || :' TERM; ${agent} & code=0; wait $! || code=$?;`,
    // The first wait ends with the signal, the second one with the agent.
    `if [ -n "\${stopped:-}" ]; then wait $! || :; ${revocation(injection)}; else exit $code; fi; }`,
  ].join(" ");
}

function resources({ values, settings }: Injection): JsonObject {
  const limits = {
    cpu: chosen(values.get("agent-limits-cpu"), settings.cpuLimit),
    memory: chosen(values.get("agent-limits-mem"), settings.memoryLimit),
    "ephemeral-storage": chosen(values.get("agent-limits-ephemeral"), settings.ephemeralStorageLimit),
  };
  const requests = {
    cpu: chosen(values.get("agent-requests-cpu"), settings.cpuRequest),
    memory: chosen(values.get("agent-requests-mem"), settings.memoryRequest),
    "ephemeral-storage": chosen(values.get("agent-requests-ephemeral"), settings.ephemeralStorageRequest),
  };
  return { limits: present(limits), requests: present(requests) };
}

/** An empty annotation (null), like an empty setting, leaves the entry out. */
function chosen(annotation: string | null | undefined, setting: string | undefined): string | undefined {
  return (annotation === undefined ? setting : annotation) || undefined;
}

function present(entries: Readonly<Record<string, string | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(entries).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function mounts(injection: Injection, role: Role): readonly Json[] {
  const { token, aws, values, shape, configMap, copied } = injection;
  const home = { name: role === "init" ? VOLUMES.homeInit : VOLUMES.homeSidecar, mountPath: HOME };
  const account = { name: token.name, mountPath: token.mountPath, readOnly: true };
  const when = (condition: unknown, name: string, mountPath: string, rest: JsonObject = { readOnly: true }) =>
    condition ? [{ name, mountPath, ...rest }] : [];
  return [
    ...(role === "init" ? [home, account] : [account, home]),
    // The token for AWS may be the only one that the pod has.
    ...(aws?.mount === undefined || aws.mount.mountPath === token.mountPath ? [] : [aws.mount as JsonObject]),
    ...secretMounts(injection),
    ...when(values.get("agent-extra-secret"), VOLUMES.extra, "/vault/custom"),
    ...(copied as readonly JsonObject[]),
    ...when(configMap, VOLUMES.config, "/vault/configs"),
    ...when(values.get("tls-secret"), VOLUMES.tls, "/vault/tls"),
    ...when(shape.cache === "persistent", VOLUMES.cache, CACHE_PATH, {}),
  ];
}

/** The mounts with the files of secrets, which the containers of the pod get too. */
export function secretMounts({ mountPath, customMounts }: Injection): readonly JsonObject[] {
  return [
    { name: VOLUMES.secrets, mountPath },
    ...customMounts.map((path, at) => ({ name: VOLUMES.custom(at), mountPath: path })),
  ];
}

function securityContext({ security }: Injection): JsonObject | undefined {
  if (security === undefined) return undefined;
  const { runAsUser, runAsGroup, seccompProfile } = security;
  return {
    runAsUser,
    runAsGroup,
    runAsNonRoot: runAsUser !== 0 && runAsGroup !== 0,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
    allowPrivilegeEscalation: false,
    ...(seccompProfile === undefined ? {} : { seccompProfile: { type: seccompProfile } }),
  };
}

function lifecycle(injection: Injection): JsonObject {
  if (!isRevoked(injection)) return {};
  const line = `sleep ${revokeGrace(injection)} && ${revocation(injection)}`;
  return { preStop: { exec: { command: ["/bin/sh", "-c", line] } } };
}

/** The token is named, because a user without an entry in the image's passwd has no home. */
function revocation({ connection, binary }: Injection): string {
  const flags = [
    ["address", connection.address === "" ? undefined : connection.address],
    ["namespace", connection.namespace],
    ["ca-cert", connection.caCert],
    ["ca-path", connection.caPath],
    ["client-cert", connection.clientCert],
    ["client-key", connection.clientKey],
    ["tls-server-name", connection.tlsServerName],
  ] as const;
  const words = flags.flatMap(([flag, value]) => (value === undefined ? [] : [shellWord(`-${flag}=${value}`)]));
  return [
    `VAULT_TOKEN="$(cat ${HOME}/.vault-token)"`,
    `${binary} token revoke`,
    ...words,
    ...(connection.skipsVerify ? ["-tls-skip-verify"] : []),
    "-self",
  ].join(" ");
}

function patched(made: JsonObject, role: Role, { values, settings }: Injection, notes: Notes): JsonObject {
  const operations: ValueOf["patch"] | undefined = values.get(PATCHES[role]);
  if (operations === undefined || operations.length === 0) return made;
  const subject = VAULT_PREFIX + PATCHES[role];
  const result = applyPatch(made, operations);
  if (isInapplicable(result)) {
    notes.refuse(subject, result.inapplicable);
    return made;
  }
  if (typeof result !== "object" || result === null || Array.isArray(result)) {
    notes.refuse(subject, "leaves no container");
    return made;
  }
  const found = result as JsonObject;
  const { name, image } = found;
  const isText = image === undefined || typeof image === "string";
  if (typeof name !== "string" || name === "" || !isText) {
    notes.refuse(subject, "leaves a container without a name, or with an image that is no text");
    return made;
  }
  if (image === undefined || image === made.image) return found;
  return { ...found, image: imageOf(image, settings, notes) };
}

function isInapplicable(result: Json | Inapplicability): result is Inapplicability {
  return typeof result === "object" && result !== null && Object.hasOwn(result, "inapplicable");
}
