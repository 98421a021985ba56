import { KINDS, type KindRef, VAULT_PUSH_SECRET, VSO_GROUP } from "../../../../lib/resource-kinds.ts";
import { isObject, type Json } from "./fields.ts";

/** A kind as the API server serves it. */
export interface ServedKind extends KindRef {
  readonly isNamespaced: boolean;
  /** Its status is a subresource, and its spec has a generation. */
  readonly hasStatus: boolean;
  /** Members that each status must have. */
  readonly requiredStatus: readonly string[];
}

function served(group: string, version: string, resource: string, kind: string, more: Partial<ServedKind> = {}) {
  return { group, version, resource, kind, isNamespaced: true, hasStatus: false, requiredStatus: [], ...more };
}

/** What every cluster serves, as far as keyferry and its tests use it. */
export const BUILT_IN: readonly ServedKind[] = [
  served("", "v1", "namespaces", "Namespace", { isNamespaced: false }),
  served("", "v1", "secrets", "Secret"),
  served("", "v1", "configmaps", "ConfigMap"),
  served("", "v1", "serviceaccounts", "ServiceAccount"),
  served("", "v1", "events", "Event"),
  served("", "v1", "resourcequotas", "ResourceQuota"),
  served("coordination.k8s.io", "v1", "leases", "Lease"),
  served("rbac.authorization.k8s.io", "v1", "roles", "Role"),
  served("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
  served("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", {
    isNamespaced: false,
  }),
  served("apps", "v1", "deployments", "Deployment", { hasStatus: true }),
  served("apps", "v1", "statefulsets", "StatefulSet", { hasStatus: true }),
  served("apps", "v1", "daemonsets", "DaemonSet", { hasStatus: true }),
  served("batch", "v1", "cronjobs", "CronJob", { hasStatus: true }),
  served("apps", "v1", "replicasets", "ReplicaSet", { hasStatus: true }),
];

/** The kinds that syncs are declared with, as a cluster with our resource definitions serves them. */
export const DECLARED_KINDS: readonly ServedKind[] = [
  ...KINDS.filter(({ group }) => group === VSO_GROUP),
  VAULT_PUSH_SECRET,
].map((kind) => ({ ...kind, isNamespaced: true, hasStatus: true, requiredStatus: [] }));

/** The kind that a resource definition brings. */
export function definedKind(definition: Json): ServedKind | undefined {
  const { spec } = definition;
  if (!isObject(spec) || !isObject(spec.names)) return undefined;
  const [version] = Array.isArray(spec.versions) ? spec.versions : [];
  const status = Object(version?.schema?.openAPIV3Schema?.properties?.status) as { required?: string[] };
  return {
    group: String(spec.group),
    version: String(version?.name),
    resource: String(spec.names.plural),
    kind: String(spec.names.kind),
    isNamespaced: true,
    hasStatus: isObject(version?.subresources) && "status" in version.subresources,
    requiredStatus: status.required ?? [],
  };
}
