import type { Json, JsonObject } from "../util/json.ts";
import type { Role } from "./agent-config.ts";
import { agentContainers, secretMounts } from "./agent-containers.ts";
import { STATUS_ANNOTATION, VAULT_PREFIX } from "./annotations.ts";
import { environmentLine, wrappedCommand } from "./environment.ts";
import type { Injection } from "./injection.ts";
import type { Notes } from "./notes.ts";
import { patchExcess } from "./patch-excess.ts";
import type { PodContainer, PodOperation } from "./pod.ts";
import { agentVolumes } from "./volumes.ts";

/**
 * The patch of a pod, in this order: volumes, mounts of containers, the init container, mounts of other init
 * containers, the sidecar, the annotation. A refusal is in the notes; then the patch must not be used.
 */
export function podPatch(injection: Injection, notes: Notes): readonly PodOperation[] {
  const { pod, shape } = injection;
  const mounts = secretMounts(injection);
  const line = environmentLine(injection, notes);
  const excess = patchExcess(injection, mounts, line);
  if (excess !== undefined) {
    notes.refuse("pod", excess);
    return [];
  }
  const agents = agentContainers(injection, notes);
  const volumes = agentVolumes(injection);
  refuseClashes(injection, agents, volumes, notes);
  const selected = shape.selected.flatMap((at) => {
    const found = pod.containers[at];
    return found === undefined ? [] : [{ container: found, path: `/spec/containers/${at}` }];
  });
  return [
    ...additions("/spec/volumes", pod.hasVolumes, volumes),
    ...selected.flatMap(({ container, path }) => mountsOf(container, path, mounts, notes)),
    ...(line === undefined
      ? []
      : selected.flatMap(({ container, path }) => wrappedCommand(container, path, line, notes))),
    ...initPatch(injection, agents, mounts, notes),
    ...(shape.shareProcessNamespace === undefined || shape.shareProcessNamespace === pod.shareProcessNamespace
      ? []
      : [add("/spec/shareProcessNamespace", shape.shareProcessNamespace)]),
    ...(agents.sidecar === undefined || shape.isNative ? [] : [add("/spec/containers/-", agents.sidecar)]),
    add(`/metadata/annotations/${STATUS_ANNOTATION.replace("/", "~1")}`, "injected"),
  ];
}

function add(path: string, value: Json): PodOperation {
  return { op: "add", path, value };
}

/** Appends to a list, which the first of the values creates if it does not exist. */
function additions(path: string, exists: boolean, values: readonly Json[]): readonly PodOperation[] {
  return values.map((value, at) => (exists || at > 0 ? add(`${path}/-`, value) : add(path, [value])));
}

function mountsOf(
  container: PodContainer,
  path: string,
  mounts: readonly JsonObject[],
  notes: Notes,
): readonly PodOperation[] {
  const taken = new Set(container.mounts.map(({ mountPath }) => mountPath));
  if (mounts.some(({ mountPath }) => taken.has(mountPath as string))) {
    notes.refuse(`container ${container.name}`, "already mounts something where the files of secrets go");
  }
  return additions(`${path}/volumeMounts`, container.mounts.length > 0, mounts);
}

/** The agent's init container, the sidecar if it is one too, and mounts for the other init containers. */
function initPatch(
  { pod, shape }: Injection,
  agents: Readonly<Partial<Record<Role, JsonObject>>>,
  mounts: readonly JsonObject[],
  notes: Notes,
): readonly PodOperation[] {
  const added = [agents.init, shape.isNative ? agents.sidecar : undefined].filter((one) => one !== undefined);
  const exists = pod.initContainers.length > 0;
  const isFirst = shape.isInitFirst && exists;
  const containers = isFirst
    ? added.map((value, at) => add(`/spec/initContainers/${at}`, value))
    : additions("/spec/initContainers", exists, added);
  if (!shape.hasInit) return containers;
  const offset = isFirst ? added.length : 0;
  return [
    ...containers,
    ...pod.initContainers.flatMap((one, at) => mountsOf(one, `/spec/initContainers/${at + offset}`, mounts, notes)),
  ];
}

/** Kubernetes refuses such a pod too, but does not say where the second one comes from. */
function refuseClashes(
  { pod }: Injection,
  agents: Readonly<Partial<Record<Role, JsonObject>>>,
  volumes: readonly JsonObject[],
  notes: Notes,
): void {
  const names = new Set([...pod.containers, ...pod.initContainers].map(({ name }) => name));
  for (const { name } of Object.values(agents)) {
    if (typeof name === "string" && names.has(name)) {
      notes.refuse("pod", "already has a container with the name of the agent's");
    }
    names.add(name as string);
  }
  const present = new Set(pod.volumes.map(({ name }) => name));
  if (volumes.some(({ name }) => present.has(name as string))) {
    notes.refuse(
      "pod",
      `already has a volume with the name of one of the agent's: was ${VAULT_PREFIX}agent-inject-status removed?`,
    );
  }
  for (const agent of Object.values(agents)) {
    const paths = Array.isArray(agent.volumeMounts) ? agent.volumeMounts.map((one) => one?.mountPath) : [];
    if (new Set(paths).size < paths.length) {
      notes.refuse(
        "agent",
        "two volumes would be mounted at the same path: see agent-copy-volume-mounts, secret-volume-path",
      );
    }
  }
}
