import { annotatedKind, SECRET, VAULT_PUSH_SECRET } from "../resource-kinds.ts";
import type { PushRights, RightsSettings } from "./needs.ts";
import { core, type Rule } from "./rule.ts";

/** A rule for each API group of the annotated kinds. Secrets have an entry of their own, except for patch. */
export function annotatedRules(push: RightsSettings["push"], verbs: readonly string[]): readonly Rule[] {
  const kinds = (push?.kinds ?? []).map(annotatedKind).filter((kind) => kind !== undefined);
  const own = kinds.filter((kind) => kind !== SECRET || verbs.includes("patch"));
  const groups = [...new Set(own.map(({ group }) => group))];
  return groups.map((group) => ({
    apiGroups: [group],
    resources: own.filter((kind) => kind.group === group).map(({ resource }) => resource),
    verbs,
  }));
}

/** The service accounts that pushes log in with: those of each namespace that fleet.yaml names, and of the others. */
export function loginRules(push: PushRights | undefined): readonly Rule[] {
  const logins = push === undefined ? [] : [push.identity, ...(push.choices?.identities ?? [])];
  const byNamespace = Map.groupBy(logins, ({ serviceAccount }) => serviceAccount.namespace);
  return [...byNamespace].map(([namespace, some]) => {
    const names = [...new Set(some.map(({ serviceAccount }) => serviceAccount.name))];
    const rule = core("serviceaccounts/token", ["create"], names);
    return namespace === undefined ? rule : { ...rule, namespaces: [namespace] };
  });
}

/** A rule about VaultPushSecrets, where `push.kinds` has them. */
export function ownRules(push: RightsSettings["push"], verbs: readonly string[], subresource = ""): readonly Rule[] {
  const { group, kind, resource } = VAULT_PUSH_SECRET;
  if (push?.kinds.some((name) => name === kind) !== true) return [];
  return [{ apiGroups: [group], resources: [`${resource}${subresource}`], verbs }];
}
