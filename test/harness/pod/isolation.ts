import { execFile } from "node:child_process";
import { promisify } from "node:util";

/**
 * How a container's process sees its files. `tmpfs`: it has a mount namespace, in which the volumes are where the pod
 * wants them, below a read-only root of this machine's programs; volumes in memory are tmpfs. `folders`: the same, and
 * all volumes are folders. `rewritten`: the paths in the container's command, environment and configuration lead to the
 * volumes' folders instead.
 */
export type Isolation = "tmpfs" | "folders" | "rewritten";

/** For the output of tests. */
export const ISOLATIONS: Readonly<Record<Isolation, string>> = {
  tmpfs: "tmpfs: each container has a mount namespace, volumes in memory are tmpfs",
  folders: "folders: each container has a mount namespace, volumes in memory are folders (no tmpfs is allowed here)",
  rewritten: "rewritten: paths lead to the folders of volumes (no mount namespace is allowed here)",
};

/** The best one that this machine allows. */
export async function possibleIsolation(): Promise<Isolation> {
  const isAllowed = (script: string): Promise<boolean> =>
    promisify(execFile)("unshare", [...newNamespace(), "/bin/sh", "-c", script]).then(
      () => true,
      () => false,
    );
  if (await isAllowed("mount -t tmpfs tmpfs /tmp")) return "tmpfs";
  return (await isAllowed("true")) ? "folders" : "rewritten";
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Flags of `unshare`. Only root may make a mount namespace without a user namespace. */
export function newNamespace(): readonly string[] {
  return isRoot() ? ["--mount"] : ["--map-root-user", "--mount"];
}
