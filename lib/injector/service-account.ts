import type { AnnotationValues } from "./annotation-values.ts";
import { VAULT_PREFIX } from "./annotations.ts";
import type { Notes } from "./notes.ts";
import type { Pod } from "./pod.ts";

/** The token that the agent logs in with: a volume of the pod. */
export interface TokenVolume {
  readonly name: string;
  readonly mountPath: string;
  /** Below the mount path. */
  readonly file: string;
}

const NAMED = "agent-service-account-token-volume-name";
const MOUNT_OF_NAMED = "/var/run/secrets/vault.hashicorp.com/serviceaccount";

/** The volume that the annotation names, else the first one of a container at a path with `serviceaccount`. */
export function tokenVolume(pod: Pod, values: AnnotationValues, notes: Notes): TokenVolume | undefined {
  const name = values.get(NAMED);
  return name === undefined ? mountedToken(pod, notes) : namedToken(pod, name, notes);
}

function mountedToken(pod: Pod, notes: Notes): TokenVolume | undefined {
  const mounts = pod.containers.flatMap((container) => container.mounts);
  const found = mounts.find(({ mountPath }) => isTokenPath(mountPath));
  if (found !== undefined) return { name: found.name, mountPath: found.mountPath, file: "token" };
  notes.refuse(
    "pod",
    `no container has a service account's token: allow automountServiceAccountToken, or name a projected volume in ${VAULT_PREFIX}${NAMED}`,
  );
  return undefined;
}

/** A whole segment: `/etc/serviceaccounts` is no token. */
export function isTokenPath(mountPath: string): boolean {
  return mountPath.split("/").includes("serviceaccount");
}

function namedToken(pod: Pod, name: string, notes: Notes): TokenVolume | undefined {
  const volume = pod.volumes.find((one) => one.name === name);
  if (volume?.tokenPath === undefined || volume.tokenPath === "") {
    const what = volume === undefined ? "is no volume of the pod" : "is no projected volume with a serviceAccountToken";
    notes.refuse(VAULT_PREFIX + NAMED, what);
    return undefined;
  }
  const mounts = pod.containers.flatMap((container) => container.mounts);
  const mountPath = mounts.find((mount) => mount.name === name)?.mountPath ?? MOUNT_OF_NAMED;
  return { name, mountPath, file: volume.tokenPath };
}
