import { parseAllDocuments, stringify } from "yaml";
import { customResourceDefinitions, ownResourceDefinitions } from "../../lib/declarations/crd.ts";
import { connectCommands } from "./connect-commands.ts";
import { kubernetesYaml } from "./kubernetes-yaml.ts";
import type { ClusterNeeds, PushNeeds } from "./needs.ts";
import { policyText } from "./policy.ts";
import { pushHcl, pushPolicyText, pushRole } from "./push.ts";
import { terraform } from "./terraform.ts";
import { vaultCommands } from "./vault-commands.ts";

/** Stands in a policy for the accessor of the login mount, which only Vault knows. */
export const ACCESSOR_PLACE = "ACCESSOR_OF_THE_LOGIN_MOUNT";

/** What `-o` may name, and what each of them prints. */
export const FORMATS = {
  crds,
  yaml: kubernetesYaml,
  vault: (needs: ClusterNeeds) => vaultCommands(needs, "vault"),
  bao: (needs: ClusterNeeds) => vaultCommands(needs, "bao"),
  hcl: (needs: ClusterNeeds) =>
    [policyText(needs.uses, ACCESSOR_PLACE), ...(needs.push ? [pushHcl(needs.push, ACCESSOR_PLACE)] : [])].join("\n"),
  terraform,
  connect: connectCommands,
} as const satisfies Readonly<Record<string, (needs: ClusterNeeds) => string>>;

/** With VaultPushSecret, where `push.kinds` has it. */
function crds({ push }: ClusterNeeds): string {
  const own = push?.push.kinds.includes("VaultPushSecret") ? ownResourceDefinitions().values() : [];
  return [...customResourceDefinitions().values(), ...own].map((crd) => stringify(crd)).join("---\n");
}

/** The same as data, for other tools. */
export function bootstrapJson(needs: ClusterNeeds): object {
  const { cluster, mount, role, policy, loginAccount, namespaces, audience } = needs;
  return {
    cluster: cluster.name,
    kubernetes: parseAllDocuments(kubernetesYaml(needs)).map((document) => document.toJS() as object),
    vault: {
      ...(needs.vaultNamespace === undefined ? {} : { namespace: needs.vaultNamespace }),
      mount: { path: mount, type: "kubernetes", config: { disable_local_ca_jwt: true } },
      policy: { name: policy, hcl: policyText(needs.uses, ACCESSOR_PLACE), accessor: ACCESSOR_PLACE },
      role: {
        name: role,
        bound_service_account_names: [loginAccount],
        bound_service_account_namespaces: namespaces,
        audience,
        token_policies: [policy],
        token_ttl: "1h",
      },
      ...(needs.push && { push: pushJson(needs.push) }),
    },
  };
}

function pushJson(needs: PushNeeds): object {
  const { policy, push, vaultNamespace } = needs;
  return {
    ...(vaultNamespace === undefined ? {} : { namespace: vaultNamespace }),
    mount: push.identity.mount,
    policy: { name: policy, hcl: pushPolicyText(needs, ACCESSOR_PLACE), accessor: ACCESSOR_PLACE },
    role: { name: push.identity.role, ...pushRole(needs) },
  };
}
