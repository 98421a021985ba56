import type { KindRef } from "../lib/resource-kinds.ts";

/** The least with which a cluster holds this kind: any spec, and what else `properties` names; their schemas may ask for more. */
export function leastCrd(
  { group, version, resource, kind }: KindRef,
  properties: Readonly<Record<string, object>> = {},
): object {
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const all = Object.entries({ spec: {}, ...properties }).map(([name, more]) => [name, { ...open, ...more }]);
  const schema = { openAPIV3Schema: { type: "object", properties: Object.fromEntries(all) } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${resource}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind, plural: resource },
      versions: [{ name: version, served: true, storage: true, subresources: { status: {} }, schema }],
    },
  };
}
