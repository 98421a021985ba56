import { apiVersionOf, VAULT_AUTH, VAULT_CONNECTION } from "../../lib/resource-kinds.ts";
import { accountYaml, reviewerBinding, tokenYaml } from "../../lib/rights/accounts.ts";
import { commentLines } from "../../lib/rights/comment-lines.ts";
import { type KubernetesRight, kubernetesRights } from "../../lib/rights/kubernetes.ts";
import { bindingYaml, type RoleName, roleYaml, yamlWord } from "../../lib/rights/rbac.ts";
import type { ClusterNeeds } from "./needs.ts";

/** Everything that stands in the cluster, as YAML for `kubectl apply`. */

/** The account whose token lets Vault check the tokens of logins. */
export const REVIEWER = "vault-reviewer";

/** The documents, separated, each with the reason for it. */
export function kubernetesYaml(needs: ClusterNeeds): string {
  const { account, cluster } = needs;
  const reviewer = { namespace: account.namespace, name: REVIEWER };
  return [
    because("keyferry's service accounts live here.", namespaceYaml(account.namespace)),
    because(
      "The operator namespace: VaultAuth and VaultConnection of the name default count only here. It must exist before keyferry's first pass over the cluster. Let nobody but the platform team write here.",
      namespaceYaml(cluster.operatorNamespace),
    ),
    ...identity(needs),
    because(
      "Vault asks the API server with this account whether the token of a login is genuine.",
      accountYaml(reviewer),
    ),
    because("Vault's login mount has this token.", tokenYaml(reviewer)),
    because(
      "system:auth-delegator allows to review tokens (create tokenreviews), and nothing else that Vault uses.",
      reviewerBinding(reviewer),
    ),
    ...roles(needs),
    ...pushAccount(needs),
    because(
      "Where Vault is. keyferry reads it from outside of the cluster: vault.address in fleet.yaml replaces it.",
      connectionYaml(needs),
    ),
    because(
      `How syncs without a vaultAuthRef log in to Vault: as the service account ${needs.loginAccount} of their own namespace, which the team creates there. allowedNamespaces: the namespaces of fleet.yaml.`,
      authYaml(needs),
    ),
  ].join("---\n");
}

/** An account in the namespace of each object is made there, as the login accounts of syncs are. */
function pushAccount({ push }: ClusterNeeds): readonly string[] {
  const { namespace, name } = push?.push.identity.serviceAccount ?? {};
  if (namespace === undefined || name === undefined) return [];
  return [because("Pushes log in to Vault as this service account.", accountYaml({ namespace, name }))];
}

/** In EKS, keyferry is the group of its access entry: it has neither account nor token in the cluster. */
export const EKS_GROUP = "keyferry";

function identity({ account, cluster }: ClusterNeeds): readonly string[] {
  if (cluster.connect.eks !== undefined) return [];
  return [
    because("keyferry works as this service account.", accountYaml(account)),
    because(
      "Kubernetes fills this Secret with a token that does not expire. keyferry's kubeconfig or token file has it: `keyferry bootstrap -o connect` writes that. Delete the Secret to end the token.",
      tokenYaml(account),
    ),
  ];
}

function because(reason: string, yaml: string): string {
  return `${commentLines(reason).join("\n")}\n${yaml}`;
}

function namespaceYaml(name: string): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${yamlWord(name)}\n`;
}

/** One role for the whole cluster, if there is something in it, and one in each namespace that has rights of its own. */
function roles(needs: ClusterNeeds): readonly string[] {
  const { account, cluster } = needs;
  const rights = kubernetesRights(cluster, { serviceAccounts: [needs.loginAccount], cloudLogins: false });
  const isEks = cluster.connect.eks !== undefined;
  const subject = isEks ? { name: EKS_GROUP } : account;
  const who = isEks ? "the group of keyferry's access entry in EKS" : "keyferry's service account";
  const everywhere = rights.filter(({ namespaces }) => namespaces === undefined);
  const namespaces = [...new Set(rights.flatMap(({ namespaces = [] }) => namespaces))];
  const places: readonly [RoleName, readonly KubernetesRight[], string][] = [
    [
      { name: account.name },
      everywhere,
      `keyferry's permissions in all namespaces, for observe: ${cluster.observe}. ${ALL}`,
    ],
    ...namespaces.map((namespace): [RoleName, readonly KubernetesRight[], string] => [
      { name: account.name, namespace },
      rights.filter((right) => right.namespaces?.includes(namespace)),
      `keyferry's permissions in namespace ${namespace}.`,
    ]),
  ];
  return places
    .filter(([, granted]) => granted.length > 0)
    .flatMap(([role, granted, reason]) => [
      because(reason, roleYaml(role, granted)),
      because(`Gives them to ${who}.`, bindingYaml(role, subject)),
    ]);
}

const ALL = "If namespaces.include in fleet.yaml names each namespace in full, roles in these namespaces are enough.";

function connectionYaml({ cluster, vaultAddress }: ClusterNeeds): string {
  return [
    `apiVersion: ${apiVersionOf(VAULT_CONNECTION)}`,
    `kind: ${VAULT_CONNECTION.kind}`,
    "metadata:",
    "  name: default",
    `  namespace: ${yamlWord(cluster.operatorNamespace)}`,
    "spec:",
    `  address: ${JSON.stringify(vaultAddress)}`,
    "",
  ].join("\n");
}

function authYaml(needs: ClusterNeeds): string {
  const { cluster, mount, namespaces, isNamed, role, loginAccount, audience } = needs;
  return [
    `apiVersion: ${apiVersionOf(VAULT_AUTH)}`,
    `kind: ${VAULT_AUTH.kind}`,
    "metadata:",
    "  name: default",
    `  namespace: ${yamlWord(cluster.operatorNamespace)}`,
    "spec:",
    "  method: kubernetes",
    `  mount: ${JSON.stringify(mount)}`,
    `  allowedNamespaces: ${JSON.stringify(isNamed ? namespaces : ["*"])}`,
    "  kubernetes:",
    `    role: ${role}`,
    `    serviceAccount: ${yamlWord(loginAccount)}`,
    `    audiences: ${JSON.stringify([audience])}`,
    "",
  ].join("\n");
}
