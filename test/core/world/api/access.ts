import type { KubeCall } from "../../../../lib/kubernetes/kube-call.ts";
import { isObject, type Json } from "./fields.ts";
import { BUILT_IN } from "./kinds.ts";
import type { Objects } from "./objects.ts";
import { forbidden } from "./refusals.ts";

/** Who asks: someone who may do everything, or a service account with its roles. */
export type Who = "admin" | { readonly namespace: string; readonly name: string };

const kindOf = (resource: string) => BUILT_IN.find((kind) => kind.resource === resource) ?? BUILT_IN[0];

/** Throws 403 when no role of this account allows the call. */
export function mustBeAllowed(objects: Objects, call: KubeCall, who: Who): void {
  if (!isAllowed(objects, call, who)) throw forbidden(call.kind.resource);
}

export function isAllowed(objects: Objects, call: KubeCall, who: Who): boolean {
  if (who === "admin") return true;
  const [bindings, roles] = [kindOf("rolebindings"), kindOf("roles")];
  if (bindings === undefined || roles === undefined || call.namespace === undefined) return false;
  const rules = objects
    .list(bindings, call.namespace)
    .filter(({ subjects }) =>
      list(subjects).some(({ namespace, name }) => namespace === who.namespace && name === who.name),
    )
    .map(({ roleRef }) => objects.get(roles, call.namespace, String(Object(roleRef).name)))
    .flatMap((role) => list(role?.rules));
  const resource = call.subresource === undefined ? call.kind.resource : `${call.kind.resource}/${call.subresource}`;
  return rules.some(
    (rule) =>
      texts(rule.apiGroups).includes(call.kind.group) &&
      texts(rule.resources).includes(resource) &&
      texts(rule.verbs).includes(call.verb) &&
      (rule.resourceNames === undefined || texts(rule.resourceNames).includes(call.name ?? "")),
  );
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
