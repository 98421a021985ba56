import type { AgentBinary, InjectorSettings } from "../injector-settings.ts";
import type { AnnotationValues } from "./annotation-values.ts";
import { VAULT_PREFIX } from "./annotations.ts";
import { type AwsIdentity, awsIdentity } from "./aws-identity.ts";
import { type Connection, connectionOf } from "./connection.ts";
import { imageOf } from "./images.ts";
import type { Notes } from "./notes.ts";
import type { Pod, VolumeMount } from "./pod.ts";
import { customMounts, DEFAULT_MOUNT, type InjectedSecret, injectedSecrets } from "./secrets.ts";
import { type Security, securityOf } from "./security.ts";
import { isTokenPath, type TokenVolume, tokenVolume } from "./service-account.ts";

/** Everything that is decided about a pod, before any of its patch is made. */
export interface Injection {
  readonly values: AnnotationValues;
  readonly settings: InjectorSettings;
  readonly pod: Pod;
  readonly shape: Shape;
  readonly connection: Connection;
  readonly token: TokenVolume;
  readonly aws?: AwsIdentity;
  readonly secrets: readonly InjectedSecret[];
  /** Where the files of most secrets are. */
  readonly mountPath: string;
  /** The other paths, each with a volume of its own. */
  readonly customMounts: readonly string[];
  readonly image: string;
  readonly binary: AgentBinary;
  readonly security?: Security;
  readonly configMap?: string;
  /** Mounts of another container that the agent gets too. */
  readonly copied: readonly VolumeMount[];
}

export interface Shape {
  readonly hasInit: boolean;
  readonly hasSidecar: boolean;
  readonly isInitFirst: boolean;
  /** The sidecar is an init container that stays. */
  readonly isNative: boolean;
  /** Which containers of the pod get the files. */
  readonly selected: readonly number[];
  readonly cache: "none" | "memory" | "persistent";
  readonly shareProcessNamespace?: boolean;
}

/** The decisions, or undefined after a refusal in the notes. */
export function injectionOf(
  pod: Pod,
  namespace: string,
  values: AnnotationValues,
  settings: InjectorSettings,
  notes: Notes,
): Injection | undefined {
  const configMap = values.get("agent-configmap");
  const emptyNamespace = values.has("agent-request-namespace") && values.get("agent-request-namespace") === undefined;
  if (namespace === "" || emptyNamespace) notes.refuse("namespace", "missing from the request");
  const shape = shapeOf(pod, values, settings, notes);
  const connection = connectionOf(values, settings, configMap !== undefined, notes);
  const token = tokenVolume(pod, values, notes);
  const aws = connection.authType === "aws" ? awsIdentity(pod, values) : undefined;
  const secrets = injectedSecrets(values, settings, notes);
  const mountPath = values.get("secret-volume-path") ?? DEFAULT_MOUNT;
  const security = securityOf(pod, shape.selected, values, settings, notes);
  const image = imageOf(values.get("agent-image") ?? settings.image, settings, notes);
  const copied = copiedMounts(pod, values, notes);
  if (token === undefined || notes.refusals.length > 0) return undefined;
  return {
    values,
    settings,
    pod,
    shape,
    connection,
    token,
    secrets,
    mountPath,
    image,
    copied,
    customMounts: customMounts(secrets, mountPath),
    binary: values.get("agent-binary") ?? settings.binary,
    ...(aws === undefined ? {} : { aws }),
    ...(security === undefined ? {} : { security }),
    ...(configMap === undefined ? {} : { configMap }),
  };
}

function shapeOf(pod: Pod, values: AnnotationValues, settings: InjectorSettings, notes: Notes): Shape {
  const hasInit = values.get("agent-pre-populate") ?? true;
  const hasSidecar = !(values.get("agent-pre-populate-only") ?? false);
  if (!hasInit && !hasSidecar) {
    notes.warn(
      `${VAULT_PREFIX}agent-pre-populate-only`,
      "without agent-pre-populate the pod gets no agent, so no file is written",
    );
  }
  const share = values.get("agent-share-process-namespace");
  if (share === true && pod.shareProcessNamespace === false) {
    notes.refuse(`${VAULT_PREFIX}agent-share-process-namespace`, "contradicts shareProcessNamespace of the pod");
  }
  return {
    hasInit,
    hasSidecar,
    isInitFirst: values.get("agent-init-first") ?? false,
    isNative: values.get("agent-native-sidecar") ?? settings.nativeSidecar,
    selected: selectedContainers(pod, values, notes),
    cache: cacheOf(values.get("agent-cache-enable") ?? false, hasInit, hasSidecar),
    ...(share === undefined ? {} : { shareProcessNamespace: share }),
  };
}

/** A cache serves the sidecar. With an init container it is stored, so that the sidecar takes over tokens and leases. */
function cacheOf(isEnabled: boolean, hasInit: boolean, hasSidecar: boolean): Shape["cache"] {
  if (!isEnabled || !hasSidecar) return "none";
  return hasInit ? "persistent" : "memory";
}

function selectedContainers(pod: Pod, values: AnnotationValues, notes: Notes): readonly number[] {
  const names = values.get("agent-inject-containers");
  if (names === undefined) return pod.containers.map((_, at) => at);
  const wanted = new Set(names);
  const present = new Set(pod.containers.map(({ name }) => name));
  const unknown = [...wanted].filter((name) => !present.has(name)).length;
  if (unknown > 0) {
    notes.warn(`${VAULT_PREFIX}agent-inject-containers`, `${unknown} of its names belong to no container of the pod`);
  }
  return pod.containers.flatMap(({ name }, at) => (wanted.has(name) ? [at] : []));
}

function copiedMounts(pod: Pod, values: AnnotationValues, notes: Notes): readonly VolumeMount[] {
  const name = values.get("agent-copy-volume-mounts");
  if (name === undefined) return [];
  const found = [...pod.containers, ...pod.initContainers].find((one) => one.name === name);
  if (found === undefined) {
    notes.warn(`${VAULT_PREFIX}agent-copy-volume-mounts`, "names no container of the pod, so the agent gets no mounts");
    return [];
  }
  return found.mounts.filter(({ mountPath }) => !isTokenPath(mountPath));
}
