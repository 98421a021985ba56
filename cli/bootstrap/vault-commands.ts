import { type Account, tokenOf, waitForToken } from "../../lib/rights/accounts.ts";
import { commentLines } from "../../lib/rights/comment-lines.ts";
import { kubectl, shellWord } from "../../lib/util/shell.ts";
import { REVIEWER } from "./kubernetes-yaml.ts";
import type { ClusterNeeds } from "./needs.ts";
import { hasTemplates, policyText } from "./policy.ts";
import { pushCommands } from "./push.ts";
import { inVaultNamespace } from "./shell.ts";

/** The login of a cluster in Vault, as a shell script that can be run again. `cli` is vault, or bao. */
export function vaultCommands(needs: ClusterNeeds, cli: "vault" | "bao"): string {
  const { mount, policy, uses, vaultNamespace } = needs;
  const parts = [
    [
      "Sets up Vault for one cluster. It needs kubectl for the cluster, and the address and a token of Vault in the environment. Run it after the YAML; it can be run again.",
      "set -eu",
    ],
    ...(vaultNamespace === undefined
      ? []
      : [
          [
            "The Vault namespace of this cluster's logins, by fleet.yaml.",
            inVaultNamespace(vaultNamespace, cli),
          ] as const,
        ]),
    [
      "The login mount of this cluster.",
      `${cli} read ${shellWord(`sys/auth/${mount}`)} >/dev/null 2>&1 ||\n  ${cli} auth enable -path=${shellWord(mount)} kubernetes`,
    ],
    [
      "Kubernetes fills the reviewer's Secret a moment after it is created.",
      waitForToken(needs.context, reviewerOf(needs)),
    ],
    [
      "The API server as the current kubectl context has it: if Vault reaches it at another address, change it here. The CA certifies the API server. The reviewer's token goes through a pipe and not through the arguments. disable_local_ca_jwt: Vault may not run in this cluster. The issuer is not checked, since the API server itself reviews each token.",
      configCommand(needs, cli),
    ],
    ...(hasTemplates(uses)
      ? [
          [
            "Policies name the mount by its accessor.",
            `accessor="$(${cli} read -field=accessor ${shellWord(`sys/auth/${mount}`)})"`,
          ] as const,
        ]
      : []),
    ["What the logins of this cluster may read.", policyCommand(needs, cli, policy)],
    [roleReason(needs), roleCommand(needs, cli)],
    ...(needs.push === undefined ? [] : pushCommands(needs.push, cli)),
  ] as const;
  return parts.map(([reason, command]) => `${commentLines(reason).join("\n")}\n${command}\n`).join("\n");
}

export function roleReason({ loginAccount, isNamed, cluster, audience }: ClusterNeeds): string {
  const left = cluster.namespaces.exclude;
  const excluded =
    isNamed || left.length === 0 ? "" : ` Vault can't exclude namespaces: keyferry leaves out ${left.join(", ")}.`;
  return (
    `The role: the service account ${loginAccount} of a served namespace may log in, with a token for the audience ` +
    `${audience}, which the API server does not accept.${excluded} A token_ttl of more than a minute lets syncs share a login.`
  );
}

/** `kubectl config view` for the API server's address and CA, as the person who runs it reaches the cluster. */
export function clusterField({ context }: ClusterNeeds, field: "server" | "certificate-authority-data"): string {
  const path = shellWord(`jsonpath={.clusters[0].cluster.${field}}`);
  return kubectl(context, "config", "view", "--raw", "--minify", "--flatten", "-o", path);
}

/** The account whose token lets Vault check the tokens of logins. */
function reviewerOf({ account: { namespace } }: ClusterNeeds): Account {
  return { namespace, name: REVIEWER };
}

function configCommand(needs: ClusterNeeds, cli: string): string {
  return [
    `${tokenOf(needs.context, reviewerOf(needs))} |`,
    `  ${cli} write ${shellWord(`auth/${needs.mount}/config`)} token_reviewer_jwt=- disable_local_ca_jwt=true \\`,
    `    kubernetes_host="$(${clusterField(needs, "server")})" \\`,
    `    kubernetes_ca_cert="$(${clusterField(needs, "certificate-authority-data")} | base64 -d)"`,
  ].join("\n");
}

/** Nothing but the accessor is for the shell in the policy. */
function policyCommand({ uses }: ClusterNeeds, cli: string, policy: string): string {
  const mark = "ACCESSOR";
  const text = policyText(uses, mark)
    .replaceAll(/[\\$`]/g, "\\$&")
    .replaceAll(`.${mark}.`, ".$accessor.");
  return `${cli} policy write ${policy} - <<POLICY\n${text}POLICY`;
}

function roleCommand(needs: ClusterNeeds, cli: string): string {
  const { mount, role, policy, loginAccount, namespaces, audience } = needs;
  return [
    `${cli} write ${shellWord(`auth/${mount}/role/${role}`)} token_policies=${policy} token_ttl=1h \\`,
    `  bound_service_account_names=${loginAccount} audience=${shellWord(audience)} \\`,
    `  bound_service_account_namespaces=${shellWord(namespaces.join(","))}`,
  ].join("\n");
}
