import { policyHcl, type VaultUse, vaultRights } from "../../lib/rights/vault.ts";
import { NAMESPACE_IN_PATH, type PolicyUse } from "./needs.ts";

/**
 * The policy of a cluster's role. `accessor` is the login mount's, as the output writes it: a template of Vault then puts
 * the namespace of the service account that logged in into the path.
 */
export function policyText(uses: readonly PolicyUse[], accessor: string): string {
  const template = `{{identity.entity.aliases.${accessor}.metadata.service_account_namespace}}`;
  const inNamespace = (use: PolicyUse): PolicyUse => ({
    ...use,
    path: use.path.replaceAll(NAMESPACE_IN_PATH, template),
  });
  return policyHcl(vaultRights(uses.map(inNamespace).flatMap(vaultUses)));
}

/** Whether a path depends on the mount's accessor. */
export function hasTemplates(uses: readonly PolicyUse[]): boolean {
  return uses.some(({ path }) => path.includes(NAMESPACE_IN_PATH));
}

/** A dynamic path may be asked for with and without parameters. */
function vaultUses({ kind, mount, path, instant = false }: PolicyUse): readonly VaultUse[] {
  switch (kind) {
    case "kv-v1":
    case "kv-v2":
      return [{ kind, mount, path, instant }];
    case "dynamic":
      return [false, true].map((sends) => ({ kind, mount, path, sends }));
    case "pki":
      return [{ kind, mount, role: path, revokes: false }];
  }
}
