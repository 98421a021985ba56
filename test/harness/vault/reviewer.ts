import type { Cluster } from "../cluster/cluster.ts";
import { inForce, type Rule } from "../cluster/in-force.ts";

const RBAC = "rbac.authorization.k8s.io";
const NAMESPACE = "kube-system";
const REVIEWS: Rule = { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] };
const TOKENS: Rule = { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] };

/** The token of an account that may ask the cluster whose token another one is, as Vault's Kubernetes login does. */
export const makeReviewer = (cluster: Cluster): Promise<string> =>
  makeAccount(cluster, "vault-reviewer", "system:auth-delegator", REVIEWS);

/** The token of an account that may make tokens of other accounts, as Vault's Kubernetes secrets engine does. */
export async function makeIssuer(cluster: Cluster): Promise<string> {
  const name = "vault-issuer";
  await cluster.apply({ apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata: { name }, rules: [TOKENS] });
  return makeAccount(cluster, name, name, TOKENS);
}

/** Resolves when the API server heeds the binding: a moment after it has stored it. */
async function makeAccount(cluster: Cluster, name: string, role: string, may: Rule): Promise<string> {
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
  await inForce(cluster, account, may);
  return cluster.tokenFor({ ...account, expirationSeconds: 86_400 });
}
