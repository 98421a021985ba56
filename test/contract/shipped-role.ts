import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { parseAllDocuments } from "yaml";
import type { KubernetesRight } from "../../lib/rights/kubernetes.ts";

interface ShippedRole {
  readonly metadata: { readonly name: string };
  readonly rules: readonly Pick<KubernetesRight, "apiGroups" | "resources" | "resourceNames" | "verbs">[];
}

/** The rules of a role as rbac.yaml has them, for an operator namespace of this name. */
export async function shippedRole(name: string): Promise<(operatorNamespace: string) => readonly KubernetesRight[]> {
  const text = await readFile(new URL("../../infra/kubernetes/rbac.yaml", import.meta.url), "utf8");
  return (operatorNamespace) => {
    const roles = parseAllDocuments(text.replaceAll("vault-secrets-operator-system", operatorNamespace));
    const role = roles.map((one) => one.toJS() as ShippedRole).find(({ metadata }) => metadata.name === name);
    assert.ok(role, name);
    return role.rules.map((rule) => ({ ...rule, use: "rbac.yaml", need: "always", reason: "It is shipped." }));
  };
}
