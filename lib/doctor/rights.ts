import { partsOf, type SyncKey } from "../keys.ts";
import type { Resolved } from "../kinds/kind.ts";
import { namedNamespaces, referenceNamespaces } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import type { RolloutTarget } from "../ports/workloads.ts";
import { KINDS, type KindRef, kindNamed, REFERENCE_STATUS_KINDS, SECRET, VSO_GROUP } from "../resource-kinds.ts";
import { VSO_LEASE } from "../vso/stand-back/vso.ts";
import { type DeclaredWork, resolvedOf } from "./declared-work.ts";

/** One permission in a cluster, as RBAC spells it. */
export interface KubernetesRight {
  readonly verb: string;
  readonly group: string;
  /** With its subresource: `serviceaccounts/token`. */
  readonly resource: string;
  /** Missing: all of them, or a resource without namespace. */
  readonly namespace?: string;
  /** Missing: any. */
  readonly name?: string;
  /** Without it keyferry works, but knows less. */
  readonly optional?: true;
}

function rights(
  verbs: readonly string[],
  group: string,
  resource: string,
  place: Pick<KubernetesRight, "namespace" | "name" | "optional"> = {},
): readonly KubernetesRight[] {
  return verbs.map((verb) => ({ verb, group, resource, ...place }));
}

const DECLARED = KINDS.filter(({ group }) => group === VSO_GROUP);

/** To know what is declared, before anything of it is known. */
export function readingRights(settings: ClusterSettings): readonly KubernetesRight[] {
  const { operatorNamespace } = settings;
  const places = placesOf(referenceNamespaces(settings));
  const own = { namespace: operatorNamespace };
  return [
    ...places.flatMap((place) =>
      DECLARED.flatMap(({ resource }) => rights(["list", "watch"], VSO_GROUP, resource, place)),
    ),
    ...rights(["get"], "", "namespaces", { name: "kube-system" }),
    ...rights(["get"], "", "configmaps", { ...own, name: "keyferry-installation" }),
    ...rights(["create"], "", "configmaps", own),
    ...rights(["get"], "", "namespaces", { name: operatorNamespace, optional: true }),
    ...rights(["get"], "", "secrets", { ...own, name: "vso-cc-storage-hmac-key", optional: true }),
    ...rights(["get"], "coordination.k8s.io", "leases", { ...own, name: VSO_LEASE, optional: true }),
    ...(settings.observe === "watch"
      ? placesOf(namedNamespaces(settings.namespaces)).flatMap((place) =>
          rights(["list", "watch"], "", "secrets", place),
        )
      : []),
  ];
}

function placesOf(namespaces: readonly string[] | undefined): readonly Pick<KubernetesRight, "namespace">[] {
  return namespaces === undefined ? [{}] : namespaces.map((namespace) => ({ namespace }));
}

/** For what is declared. Each right is listed once. */
export function declaredRights(settings: ClusterSettings, work: DeclaredWork): readonly KubernetesRight[] {
  const all = [
    ...work.syncs.flatMap(({ key }) => syncRights(settings, key)),
    ...work.syncs.flatMap(({ refs }) => refs.flatMap(statusRights)),
    ...resolvedOf(work).flatMap(({ key, resolved }) => resolvedRights(settings, key, resolved)),
  ];
  return [...new Map(all.map((right) => [rightName(right), right])).values()];
}

function syncRights(settings: ClusterSettings, key: SyncKey): readonly KubernetesRight[] {
  const { kind, namespace } = partsOf(key);
  const { resource = "" } = kindNamed(kind) ?? {};
  const read = settings.observe === "watch" ? ["get"] : [];
  return [
    ...rights([...read, "create", "patch", "delete"], "", "secrets", { namespace }),
    ...rights(["patch"], VSO_GROUP, `${resource}/status`, { namespace }),
    ...rights(["get"], VSO_GROUP, resource, { namespace }),
    ...rights(["create"], "", "events", { namespace }),
  ];
}

function statusRights(ref: Parameters<typeof partsOf>[0]): readonly KubernetesRight[] {
  const { kind, namespace } = partsOf(ref);
  const known = REFERENCE_STATUS_KINDS.find((candidate) => candidate.kind === kind);
  return known === undefined ? [] : rights(["patch"], VSO_GROUP, `${known.resource}/status`, { namespace });
}

function resolvedRights(settings: ClusterSettings, key: SyncKey, resolved: Resolved): readonly KubernetesRight[] {
  const { namespace } = partsOf(key);
  return [
    ...resolved.rolloutTargets.flatMap((target) => targetRights(target, namespace)),
    ...(resolved.asks === undefined ? [] : loginRights(settings, resolved.asks.identity)),
  ];
}

/** What a login reads of the cluster. */
function loginRights(settings: ClusterSettings, { method, target }: VaultIdentity): readonly KubernetesRight[] {
  const { credential } = method;
  const secrets = [target.caRef, credential].filter((ref) => ref?.kind === "secret");
  return [
    ...(settings.observe === "watch" && secrets.length === 0 ? [] : secrets).flatMap((ref) =>
      ref?.kind === "secret" ? rights(["get"], "", SECRET.resource, { namespace: ref.namespace, name: ref.name }) : [],
    ),
    ...(credential.kind === "serviceAccount"
      ? rights(["create"], "", "serviceaccounts/token", { namespace: credential.namespace, name: credential.name })
      : []),
    ...(credential.kind === "serviceAccount" && (method.kind === "aws" || method.kind === "gcp")
      ? rights(["get"], "", "serviceaccounts", { namespace: credential.namespace, name: credential.name })
      : []),
  ];
}

const WORKLOADS: Readonly<Record<RolloutTarget["kind"], Pick<KindRef, "group" | "resource">>> = {
  Deployment: { group: "apps", resource: "deployments" },
  DaemonSet: { group: "apps", resource: "daemonsets" },
  StatefulSet: { group: "apps", resource: "statefulsets" },
  "argo.Rollout": { group: "argoproj.io", resource: "rollouts" },
};

function targetRights({ kind, name }: RolloutTarget, namespace: string): readonly KubernetesRight[] {
  const { group, resource } = WORKLOADS[kind];
  return rights(["get", "patch"], group, resource, { namespace, name });
}

/** `patch secrets in namespace shop`: for people, and to compare. */
export function rightName({ verb, group, resource, namespace, name }: KubernetesRight): string {
  const what = group === "" ? resource : `${resource}.${group}`;
  return `${verb} ${what}${name === undefined ? "" : ` ${name}`}${namespace === undefined ? "" : ` in namespace ${namespace}`}`;
}
