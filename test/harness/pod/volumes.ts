import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster/cluster.ts";
import type { RunnablePod, RunnableVolume } from "./pod-shape.ts";

export interface Volumes {
  /** The folder of each, by its name. */
  readonly volumes: ReadonlyMap<string, string>;
  /** The folders of those that the kubelet keeps in memory. */
  readonly inMemory: readonly string[];
}

/** Makes the folders of the pod's volumes. */
export async function makeVolumes(pod: RunnablePod, folder: string): Promise<Volumes> {
  const all = pod.spec.volumes ?? [];
  const pathOf = ({ name }: RunnableVolume): string => join(folder, name);
  for (const volume of all) {
    await mkdir(pathOf(volume), { recursive: true });
    // Like the kubelet: any user of the pod may write.
    await chmod(pathOf(volume), 0o777);
  }
  return {
    volumes: new Map(all.map((volume) => [volume.name, pathOf(volume)])),
    inMemory: all.filter(isInMemory).map(pathOf),
  };
}

function isInMemory({ emptyDir, projected, secret }: RunnableVolume): boolean {
  return emptyDir?.medium === "Memory" || projected !== undefined || secret !== undefined;
}

/** Puts into the volumes what the kubelet would put there. */
export async function fillVolumes(
  pod: RunnablePod,
  cluster: Cluster,
  pathOf: (volume: string) => string,
): Promise<void> {
  await Promise.all((pod.spec.volumes ?? []).map((volume) => fill(volume, pathOf(volume.name), pod, cluster)));
}

async function fill(volume: RunnableVolume, path: string, pod: RunnablePod, cluster: Cluster): Promise<void> {
  const { namespace } = pod.metadata;
  for (const { serviceAccountToken: token } of volume.projected?.sources ?? []) {
    if (token === undefined) continue;
    const jwt = await cluster.tokenFor({
      namespace,
      name: pod.spec.serviceAccountName,
      ...(token.audience === undefined ? {} : { audiences: [token.audience] }),
    });
    await writeFile(join(path, token.path), jwt, { mode: 0o644 });
  }
  const { secret, configMap } = volume;
  if (secret !== undefined) await writeData(path, "Secret", namespace, secret.secretName, cluster);
  if (configMap !== undefined) await writeData(path, "ConfigMap", namespace, configMap.name, cluster);
}

async function writeData(
  path: string,
  kind: "Secret" | "ConfigMap",
  namespace: string,
  name: string,
  cluster: Cluster,
): Promise<void> {
  const found = await cluster.get({ apiVersion: "v1", kind, namespace, name });
  if (found === undefined) throw new Error(`the pod needs the ${kind} ${namespace}/${name}`);
  for (const [file, content] of Object.entries(found.data ?? {})) {
    await writeFile(join(path, file), kind === "Secret" ? Buffer.from(content, "base64") : content, { mode: 0o644 });
  }
}
