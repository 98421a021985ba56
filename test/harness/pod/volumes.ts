import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Cluster } from "../cluster/cluster.ts";
import type { RunnablePod, RunnableVolume } from "./pod-shape.ts";

/** Makes the pod's volumes as folders, with what the kubelet would put into them. The folder of each, by its name. */
export async function makeVolumes(
  pod: RunnablePod,
  cluster: Cluster,
  folder: string,
): Promise<ReadonlyMap<string, string>> {
  const made = (pod.spec.volumes ?? []).map(async (volume) => {
    const path = join(folder, volume.name);
    await mkdir(path, { recursive: true });
    // Like the kubelet: any user of the pod may write.
    await chmod(path, 0o777);
    await fill(volume, path, pod, cluster);
    return [volume.name, path] as const;
  });
  return new Map(await Promise.all(made));
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
