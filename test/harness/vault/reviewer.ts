import type { Cluster } from "../cluster/cluster.ts";

const ACCOUNT = { namespace: "kube-system", name: "vault-reviewer" };

/** The token of an account that may ask the cluster whose token another one is, as Vault's Kubernetes login does. */
export async function makeReviewer(cluster: Cluster): Promise<string> {
  await cluster.apply([
    { apiVersion: "v1", kind: "ServiceAccount", metadata: ACCOUNT },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: ACCOUNT.name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:auth-delegator" },
      subjects: [{ kind: "ServiceAccount", ...ACCOUNT }],
    },
  ]);
  return cluster.tokenFor({ ...ACCOUNT, expirationSeconds: 86_400 });
}
