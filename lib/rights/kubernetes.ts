import { namedNamespaces, pushNamespaces } from "../namespaces.ts";
import { isCovered } from "./covered.ts";
import { KUBERNETES_TABLE, type Place } from "./kubernetes-table.ts";
import type { DeclaredNeeds, RightsSettings } from "./needs.ts";

/** The permissions that keyferry needs in a cluster, calculated from the cluster's settings. */

/** One permission, as a rule of a Role or ClusterRole, with the place where it is needed. */
export interface KubernetesRight {
  /** What it is for: a stable name of its row in the table. */
  readonly use: string;
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
  /** The namespaces in which it is needed; missing: the whole cluster. */
  readonly namespaces?: readonly string[];
  /** `optional`: without it, keyferry does less, as `reason` says, and no sync fails. */
  readonly need: "always" | "optional";
  readonly reason: string;
}

/** The permissions for a cluster with these settings, without those that another one includes. */
export function kubernetesRights(settings: RightsSettings, declared: DeclaredNeeds = {}): readonly KubernetesRight[] {
  return distinct(
    KUBERNETES_TABLE.flatMap(({ use, where, need = "always" as const, reason, rules }) =>
      rules(settings, declared).map((rule): KubernetesRight => {
        const namespaces = rule.namespaces ?? namespacesOf(where, settings);
        return { use, ...rule, ...(namespaces && { namespaces }), need, reason };
      }),
    ).filter(({ namespaces }) => namespaces?.length !== 0),
  );
}

/** What pushes need beside the permissions of a cluster without them, in the whole cluster. */
export function pushRights(settings: RightsSettings): readonly KubernetesRight[] {
  const entries = KUBERNETES_TABLE.filter(({ use }) => use.startsWith("push-"));
  return entries.flatMap(({ use, need = "always" as const, reason, rules }) =>
    rules(settings, {}).map(({ namespaces: _one, ...rule }): KubernetesRight => ({ use, ...rule, need, reason })),
  );
}

/** The same permissions, each of them in the whole cluster: for a role that fits every `namespaces`. */
export function clusterWideRights(settings: RightsSettings, declared: DeclaredNeeds = {}): readonly KubernetesRight[] {
  return distinct(kubernetesRights(settings, declared).map(({ namespaces: _namespaces, ...right }) => right));
}

/** Leaves out what another permission includes. */
function distinct(rights: readonly KubernetesRight[]): readonly KubernetesRight[] {
  return rights.filter(
    (right, at) => !rights.some((other, index) => index !== at && isCovered(right, other, index < at)),
  );
}

/** Undefined: the whole cluster. A fleet with patterns reads all namespaces, because new ones may match. */
function namespacesOf(where: Place, settings: RightsSettings): readonly string[] | undefined {
  const { namespaces, operatorNamespace, push } = settings;
  const served = namedNamespaces(namespaces);
  const pushing = push && pushNamespaces(namespaces, push.namespaces);
  switch (where) {
    case "cluster":
      return undefined;
    case "kube-system":
      return ["kube-system"];
    case "operator":
      return [operatorNamespace];
    case "served":
      return served;
    case "references":
      return served && [...new Set([...served, operatorNamespace])];
    case "pushing":
      return pushing;
  }
}
