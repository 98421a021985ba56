import { SyncError } from "../errors.ts";
import { partsOf } from "../keys.ts";
import { hasServedRights } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import { SECRET } from "../resource-kinds.ts";
import { kubernetesRights, type KubernetesRight as TableRight } from "../rights/kubernetes.ts";
import { waysToFollow } from "../rights/kubernetes-table.ts";
import type { DeclaredNeeds } from "../rights/needs.ts";
import type { DeclaredSync, DeclaredWork } from "./declared-work.ts";

/** One permission in a cluster, for one verb and resource, as the API server is asked for it. */
export interface KubernetesRight {
  readonly verb: string;
  readonly group: string;
  /** With its subresource: `serviceaccounts/token`. */
  readonly resource: string;
  /** Missing: all of them, or a resource without namespace. */
  readonly namespace?: string;
  /** Missing: any. */
  readonly name?: string;
  /** Without it keyferry does less, and no sync fails. */
  readonly optional?: true;
}

/** Verbs of a whole cluster, whatever is declared. */
const READING = new Set(["list", "watch"]);
/** Rows of the table that do not depend on what is declared. */
const OPERATORS = new Set([
  ...["hmac-key", "make-hmac-key", "cluster-identity", "operator-identity"],
  ...["installation", "mark-installation", "operator-lease"],
]);
/** Rows about what declarations refer to. */
const OF_REFERENCES = new Set(["references", "reference-status", "reference-finalizers", "events"]);

/** To know what is declared, before anything of it is known. */
export function readingRights(settings: ClusterSettings): readonly KubernetesRight[] {
  return unique(
    kubernetesRights(settings).flatMap((right) =>
      spread(right).filter(({ verb }) => READING.has(verb) || OPERATORS.has(right.use)),
    ),
  );
}

/** For what is declared, in the namespaces that declare it. */
export function declaredRights(settings: ClusterSettings, { syncs }: DeclaredWork): readonly KubernetesRight[] {
  const byNamespace = Map.groupBy(syncs, ({ key }) => partsOf(key).namespace);
  const own = [...byNamespace].flatMap(([namespace, declared]) =>
    rightsIn(settings, namespace, needsOf(declared), (use) => !OPERATORS.has(use)),
  );
  const referred = new Set(syncs.flatMap(({ refs }) => refs.map((ref) => partsOf(ref).namespace)));
  const beside = [...referred].filter((namespace) => !byNamespace.has(namespace));
  return unique([
    ...own,
    ...beside.flatMap((namespace) => rightsIn(settings, namespace, {}, (use) => OF_REFERENCES.has(use))),
    ...syncs.flatMap((sync) => loginSecrets(settings, sync)),
    ...pushLogin(settings),
  ]);
}

/** Pushes of all namespaces may log in with one service account, in a namespace that is not followed otherwise. */
function pushLogin(settings: ClusterSettings): readonly KubernetesRight[] {
  const { identity, choices } = settings.push ?? {};
  const logins = [...(identity ? [identity] : []), ...(choices?.identities ?? [])];
  const named = new Set(logins.map(({ serviceAccount }) => serviceAccount.namespace));
  return kubernetesRights(settings)
    .filter(({ use, namespaces }) => use === "push-login" && namespaces?.every((one) => named.has(one)) === true)
    .flatMap(spread);
}

/** As for a cluster with this namespace alone. */
function rightsIn(
  settings: ClusterSettings,
  namespace: string,
  needs: DeclaredNeeds,
  isOfUse: (use: string) => boolean,
): readonly KubernetesRight[] {
  const alone = { ...settings, namespaces: { include: [namespace], exclude: [] } };
  return kubernetesRights(alone, needs)
    .filter(({ use }) => isOfUse(use))
    .flatMap((right) => spread({ ...right, need: WORKLOADS.has(right.use) ? "always" : right.need }))
    .filter((right) => right.namespace === namespace && !READING.has(right.verb));
}

/** Optional for a cluster of which nothing is known: here they are declared. */
const WORKLOADS = new Set(["workloads", "argo-rollouts"]);

function needsOf(syncs: readonly DeclaredSync[]): DeclaredNeeds {
  const resolved = syncs.flatMap(({ outcome }) => (outcome instanceof SyncError ? [] : [outcome]));
  const methods = resolved.flatMap(({ asks }) => (asks === undefined ? [] : [asks.identity.method]));
  const accounts = methods.flatMap(({ credential }) => (credential.kind === "serviceAccount" ? [credential.name] : []));
  return {
    kinds: [...new Set(syncs.map(({ key }) => partsOf(key).kind))],
    workloads: [...new Set(resolved.flatMap(({ rolloutTargets }) => rolloutTargets.map(({ kind }) => kind)))],
    serviceAccounts: [...new Set(accounts)],
    cloudLogins: methods.some(
      ({ kind, credential }) => (kind === "aws" || kind === "gcp") && credential.kind === "serviceAccount",
    ),
  };
}

/**
 * Each Secret by its name, in its own namespace. In served namespaces all Secrets are followed: `readingRights` has these
 * permissions.
 */
function loginSecrets(settings: ClusterSettings, { outcome }: DeclaredSync): readonly KubernetesRight[] {
  if (outcome instanceof SyncError || outcome.asks === undefined) return [];
  const { method, target } = outcome.asks.identity;
  return [target.caRef, method.credential].flatMap((ref) => {
    if (ref?.kind !== "secret") return [];
    const { namespace, name } = ref;
    const verbs = hasServedRights(settings.namespaces, namespace) ? ["get"] : waysToFollow(settings.observe);
    return verbs.map((verb) => ({ verb, group: "", resource: SECRET.resource, namespace, name }));
  });
}

/** One for each verb, resource, name and namespace. */
function spread(right: TableRight): readonly KubernetesRight[] {
  const { apiGroups, resources, resourceNames = [undefined], namespaces = [undefined], verbs, need } = right;
  const optional = need === "optional" ? { optional: true as const } : {};
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      namespaces.flatMap((namespace) =>
        resourceNames.flatMap((name) =>
          verbs.map((verb) => ({
            ...{ verb, group, resource, ...optional },
            ...(namespace !== undefined && resource !== "namespaces" && { namespace }),
            ...(name !== undefined && { name }),
          })),
        ),
      ),
    ),
  );
}

function unique(rights: readonly KubernetesRight[]): readonly KubernetesRight[] {
  return [...new Map(rights.map((right) => [rightName(right), right])).values()];
}

/** `patch secrets in namespace shop`: for people, and to compare. */
export function rightName({ verb, group, resource, namespace, name }: KubernetesRight): string {
  const what = group === "" ? resource : `${resource}.${group}`;
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  return `${verb} ${what}${name === undefined ? "" : ` ${name}`}${where}`;
}
