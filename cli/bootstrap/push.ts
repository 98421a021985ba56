import { commentLines } from "../../lib/rights/comment-lines.ts";
import { pushVaultRights } from "../../lib/rights/push-vault.ts";
import { policyHcl } from "../../lib/rights/vault.ts";
import { shellWord } from "../../lib/util/shell.ts";
import type { ClusterNeeds, PushNeeds } from "./needs.ts";
import { inVaultNamespace } from "./shell.ts";

/** The policy and the role of a cluster's pushes, in each form that bootstrap prints. */

/** The policy; `accessor` is that of the login's mount, as the output writes it. */
export function pushPolicyText({ cluster, push, kv1, isTemplated }: PushNeeds, accessor: string): string {
  const template = `{{identity.entity.aliases.${accessor}.metadata.service_account_namespace}}`;
  return policyHcl(pushVaultRights({ cluster, push, kv1, namespace: isTemplated ? template : "+" }));
}

/** The fields of the role, as Vault's API names them. */
export function pushRole({ push, policy, namespaces }: PushNeeds) {
  return {
    bound_service_account_names: [push.identity.serviceAccount.name],
    bound_service_account_namespaces: namespaces,
    audience: push.identity.audiences[0] ?? "",
    token_policies: [policy],
    token_ttl: "1h",
  };
}

const WHAT =
  "What the logins of pushes may write, by push.paths of fleet.yaml. Which version of kv a mount has is taken from --kv1.";

function roleReason({ push }: PushNeeds): string {
  const { name, namespace } = push.identity.serviceAccount;
  return namespace === undefined
    ? `The role of pushes: the service account ${name} in the namespace of the annotated object logs in.`
    : `The role of pushes: the service account ${name} of namespace ${namespace} logs in for all of them.`;
}

const BY_HAND =
  "push.identity.method is jwt: make its role by hand, for the subject of the service account, with this policy.";

const CHOSEN_BY_HAND =
  "push.choices.identities: make the role of each by hand, with a policy that allows no more than this one.";

function hasChoices({ push }: PushNeeds): boolean {
  return (push.choices?.identities ?? []).length > 0;
}

/** For a shell; the mount is there already, or fleet.yaml names another one. */
export function pushCommands(needs: PushNeeds, cli: "vault" | "bao"): readonly (readonly [string, string])[] {
  const { push, policy, isTemplated, vaultNamespace } = needs;
  const { mount, role, method } = push.identity;
  const mark = "ACCESSOR";
  const text = pushPolicyText(needs, mark)
    .replaceAll(/[\\$`]/g, "\\$&")
    .replaceAll(`.${mark}.`, ".$push_accessor.");
  const { token_policies: _policies, ...fields } = pushRole(needs);
  const words = Object.entries(fields).map(([name, value]) => `${name}=${shellWord([value].flat().join(","))}`);
  const made = `${cli} write ${shellWord(`auth/${mount}/role/${role}`)} token_policies=${policy} \\\n  ${words.join(" \\\n  ")}`;
  return [
    ...(vaultNamespace === undefined
      ? []
      : [["The Vault namespace of push.identity.", inVaultNamespace(vaultNamespace, cli)] as const]),
    ...(isTemplated
      ? [
          [
            "The policy of pushes names the mount of push.identity by its accessor.",
            `push_accessor="$(${cli} read -field=accessor ${shellWord(`sys/auth/${mount}`)})"`,
          ] as const,
        ]
      : []),
    [WHAT, `${cli} policy write ${policy} - <<POLICY\n${text}POLICY`],
    method === "jwt" ? [BY_HAND, ":"] : [roleReason(needs), made],
    ...(hasChoices(needs) ? [[CHOSEN_BY_HAND, ":"] as const] : []),
  ];
}

/** For Terraform; a mount that is not the cluster's is looked up. */
export function pushTerraform(cluster: ClusterNeeds, needs: PushNeeds, clusterId: string): readonly string[] {
  const { push, policy } = needs;
  const namespace = needs.vaultNamespace ?? cluster.vaultNamespace;
  const inNamespace = namespace === undefined ? "" : `  namespace = ${text(namespace)}\n`;
  const { mount, role, method } = push.identity;
  const id = `${clusterId}_push`;
  const isOwn = mount === cluster.mount && needs.vaultNamespace === undefined;
  const backend = isOwn ? `vault_auth_backend.${clusterId}` : `data.vault_auth_backend.${id}`;
  const mark = "ACCESSOR";
  const heredoc = pushPolicyText(needs, mark)
    .replaceAll(/[$%](?=\{)/g, "$&$&")
    .replaceAll(`.${mark}.`, `.\${${backend}.accessor}.`);
  const fields = pushRole(needs);
  const list = (values: readonly string[]) => `[${values.map(text).join(", ")}]`;
  return [
    ...(isOwn
      ? []
      : [
          because(
            "The mount of push.identity.",
            `data "vault_auth_backend" "${id}" {\n${inNamespace}  path = ${text(mount)}\n}\n`,
          ),
        ]),
    because(
      WHAT,
      `resource "vault_policy" "${id}" {\n${inNamespace}  name   = ${text(policy)}\n  policy = <<POLICY\n${heredoc}POLICY\n}\n`,
    ),
    method === "jwt"
      ? `${commentLines(BY_HAND).join("\n")}\n`
      : because(
          roleReason(needs),
          `resource "vault_kubernetes_auth_backend_role" "${id}" {\n${inNamespace}` +
            `  backend                          = ${backend}.path\n` +
            `  role_name                        = ${text(role)}\n` +
            `  bound_service_account_names      = ${list(fields.bound_service_account_names)}\n` +
            `  bound_service_account_namespaces = ${list(fields.bound_service_account_namespaces)}\n` +
            `  audience                         = ${text(fields.audience)}\n` +
            `  token_policies                   = [vault_policy.${id}.name]\n` +
            "  token_ttl                        = 3600\n}\n",
        ),
    ...(hasChoices(needs) ? [`${commentLines(CHOSEN_BY_HAND).join("\n")}\n`] : []),
  ];
}

/** Beside the policy of syncs. */
export function pushHcl(needs: PushNeeds, accessor: string): string {
  const reason = `A policy of its own, ${needs.policy}, for the role ${needs.push.identity.role} of pushes.`;
  return `${commentLines(reason).join("\n")}\n\n${pushPolicyText(needs, accessor)}`;
}

function because(reason: string, hcl: string): string {
  return `${commentLines(reason).join("\n")}\n${hcl}`;
}

/** A text that Terraform takes for no template. */
function text(value: string): string {
  return JSON.stringify(value).replaceAll(/[$%](?=\{)/g, "$&$&");
}
