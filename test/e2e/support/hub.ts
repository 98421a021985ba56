import { parse } from "yaml";
import type { Cluster } from "../../harness/index.ts";

/** Objects of a hub, as Argo CD has them. */

export const ARGOCD = "argocd";

export async function argocdIn(hub: Cluster): Promise<void> {
  await hub.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: ARGOCD } });
}

/** A cluster Secret of Argo CD. */
export function clusterSecret(
  name: string,
  data: { readonly name?: string; readonly server: string; readonly config: object; readonly [key: string]: unknown },
  metadata: { readonly labels?: object; readonly annotations?: object } = {},
): object {
  const texts = Object.entries(data).map(([key, value]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name,
      namespace: ARGOCD,
      annotations: metadata.annotations ?? {},
      labels: { "argocd.argoproj.io/secret-type": "cluster", ...metadata.labels },
    },
    type: "Opaque",
    data: Object.fromEntries(texts.map(([key, text]) => [key, Buffer.from(text ?? "").toString("base64")])),
  };
}

/** The config of a cluster Secret with the admin's client certificate. */
export function adminConfig(cluster: Cluster): object {
  const { users } = parse(cluster.adminKubeconfig) as {
    users: { user: { "client-certificate-data": string; "client-key-data": string } }[];
  };
  const user = users[0]?.user;
  return {
    tlsClientConfig: {
      caData: caOf(cluster),
      certData: user?.["client-certificate-data"],
      keyData: user?.["client-key-data"],
    },
  };
}

export function caOf(cluster: Cluster): string {
  return Buffer.from(cluster.caPem).toString("base64");
}
