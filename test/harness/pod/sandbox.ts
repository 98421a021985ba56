import { waitFor } from "../cluster/kube-client.ts";
import { type Isolation, isRoot, newNamespace } from "./isolation.ts";
import { launched, type PodProcess } from "./pod-process.ts";
import { quoted } from "./quoted.ts";

/** What all containers of a pod share: its volumes. */
export interface Sandbox extends AsyncDisposable {
  /** The words before a shell command that has a mount namespace of its own, with the pod's volumes in it. */
  readonly enter: readonly string[];
  /** By which path this process finds a path of the pod's volumes. */
  outside(path: string): string;
}

/** With `tmpfs`, a process keeps a mount namespace in which these folders are tmpfs: they end with it. */
export async function startSandbox(isolation: Isolation, inMemory: readonly string[]): Promise<Sandbox> {
  if (isolation !== "tmpfs") {
    return {
      enter: ["unshare", ...newNamespace()],
      outside: (path) => path,
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
  // Like the kubelet: any user of the pod may write.
  const mounts = inMemory.map((folder) => `mount -t tmpfs -o mode=0777 tmpfs ${quoted(folder)}`);
  const script = ["set -e", ...mounts, `echo ${READY}`, "exec tail -f /dev/null"].join("\n");
  const keeper = launched(["unshare", ...newNamespace(), "/bin/sh", "-c", script]);
  await waitFor("the mount namespace of a pod", async () => isReady(keeper));
  const user = isRoot() ? [] : ["--user", "--preserve-credentials"];
  return {
    enter: ["nsenter", `--target=${keeper.pid}`, ...user, "--mount", "unshare", "--mount"],
    outside: (path) => `/proc/${keeper.pid}/root${path}`,
    [Symbol.asyncDispose]: () => keeper.kill(),
  };
}

const READY = "the volumes are mounted";

function isReady(keeper: PodProcess): boolean {
  if (!keeper.isRunning()) throw new Error(`the pod gets no mount namespace: ${keeper.output()}`);
  return keeper.output().includes(READY);
}
