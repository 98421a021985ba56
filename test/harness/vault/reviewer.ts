import type { Cluster } from "../cluster/cluster.ts";

const RBAC = "rbac.authorization.k8s.io";
const NAMESPACE = "kube-system";

/** The token of an account that may ask the cluster whose token another one is, as Vault's Kubernetes login does. */
export const makeReviewer = (cluster: Cluster): Promise<string> =>
  makeAccount(cluster, "vault-reviewer", "system:auth-delegator");

/** The token of an account that may make tokens of other accounts, as Vault's Kubernetes secrets engine does. */
export async function makeIssuer(cluster: Cluster): Promise<string> {
  const name = "vault-issuer";
  const rules = [{ apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] }];
  await cluster.apply({ apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata: { name }, rules });
  return makeAccount(cluster, name, name);
}

async function makeAccount(cluster: Cluster, name: string, role: string): Promise<string> {
  const account = { namespace: NAMESPACE, name };
  await cluster.apply([
    { apiVersion: "v1", kind: "ServiceAccount", metadata: account },
    {
      apiVersion: `${RBAC}/v1`,
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: role },
      subjects: [{ kind: "ServiceAccount", ...account }],
    },
  ]);
  return cluster.tokenFor({ ...account, expirationSeconds: 86_400 });
}
