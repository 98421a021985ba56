import { stringify } from "yaml";

/** What a kubeconfig's user proves itself with. */
export type KubeconfigUser = { readonly token: string } | { readonly cert: string; readonly key: string };

/** A kubeconfig of one cluster and one user, both named after the cluster; everything is inline. */
export function kubeconfig(name: string, url: string, caPem: string, user: KubeconfigUser): string {
  const credentials =
    "token" in user
      ? { token: user.token }
      : { "client-certificate-data": base64(user.cert), "client-key-data": base64(user.key) };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster: { server: url, "certificate-authority-data": base64(caPem) } }],
    users: [{ name, user: credentials }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  });
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
