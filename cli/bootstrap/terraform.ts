import { commentLines } from "../../lib/rights/comment-lines.ts";
import type { ClusterNeeds } from "./needs.ts";
import { policyText } from "./policy.ts";
import { pushTerraform } from "./push.ts";
import { roleReason } from "./vault-commands.ts";

/** The login of a cluster in Vault, for Terraform or OpenTofu. */
export function terraform(needs: ClusterNeeds): string {
  const { mount, policy, role, uses, loginAccount, namespaces, audience } = needs;
  const { vaultNamespace } = needs;
  const inNamespace = vaultNamespace === undefined ? {} : { namespace: text(vaultNamespace) };
  const id = `keyferry_${needs.cluster.name.replaceAll("-", "_")}`;
  const variable = (name: string, is: string, more: string): string =>
    `variable "${id}_${name}" {\n  description = ${text(is)}\n  type        = string\n${more}}\n`;
  return [
    because("The API server as Vault reaches it.", variable("api_server", "URL of the API server.", "")),
    because("The CA of the API server.", variable("ca", "CA certificates of the API server, as PEM.", "")),
    because(
      "The token of the service account vault-reviewer, from its Secret. Terraform's state holds it: keep the state secret.",
      variable("reviewer_token", "Token of the reviewer.", "  sensitive   = true\n"),
    ),
    because(
      "The login mount of this cluster.",
      block(`resource "vault_auth_backend" "${id}"`, {
        ...inNamespace,
        type: text("kubernetes"),
        path: text(mount),
      }),
    ),
    because(
      "disable_local_ca_jwt: Vault may not run in this cluster.",
      block(`resource "vault_kubernetes_auth_backend_config" "${id}"`, {
        ...inNamespace,
        backend: `vault_auth_backend.${id}.path`,
        kubernetes_host: `var.${id}_api_server`,
        kubernetes_ca_cert: `var.${id}_ca`,
        token_reviewer_jwt: `var.${id}_reviewer_token`,
        disable_local_ca_jwt: "true",
      }),
    ),
    because(
      "What the logins of this cluster may read.",
      block(`resource "vault_policy" "${id}"`, {
        ...inNamespace,
        name: text(policy),
        policy: `<<POLICY\n${inHeredoc(uses, id)}POLICY`,
      }),
    ),
    because(
      roleReason(needs),
      block(`resource "vault_kubernetes_auth_backend_role" "${id}"`, {
        ...inNamespace,
        backend: `vault_auth_backend.${id}.path`,
        role_name: text(role),
        bound_service_account_names: `[${text(loginAccount)}]`,
        bound_service_account_namespaces: `[${namespaces.map(text).join(", ")}]`,
        audience: text(audience),
        token_policies: `[vault_policy.${id}.name]`,
        token_ttl: "3600",
      }),
    ),
    ...(needs.push === undefined ? [] : pushTerraform(needs, needs.push, id)),
  ].join("\n");
}

function inHeredoc(uses: ClusterNeeds["uses"], id: string): string {
  const mark = "ACCESSOR";
  const escaped = policyText(uses, mark).replaceAll(/[$%](?=\{)/g, "$&$&");
  return escaped.replaceAll(`.${mark}.`, `.\${vault_auth_backend.${id}.accessor}.`);
}

function because(reason: string, hcl: string): string {
  return `${commentLines(reason).join("\n")}\n${hcl}`;
}

function block(head: string, fields: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  return `${head} {\n${Object.entries(fields)
    .map(([name, value]) => `  ${name.padEnd(width)} = ${value}\n`)
    .join("")}}\n`;
}

/** A text that Terraform takes for no template. */
function text(value: string): string {
  return JSON.stringify(value).replaceAll(/[$%](?=\{)/g, "$&$&");
}
