import { stringify } from "yaml";

type Fields = Readonly<Record<string, unknown>>;

/** A kubeconfig with one cluster and one user, whose fields are those of the format. */
export function kubeconfigText(cluster: Fields, user: Fields): string {
  const name = "cluster";
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
