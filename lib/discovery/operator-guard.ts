import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { OperatorSeen } from "../ports/store.ts";
import { hasPowers } from "../references/operator-namespace.ts";
import type { KindRef } from "../resource-kinds.ts";
import { VAULT_AUTH, VAULT_AUTH_GLOBAL, VAULT_CONNECTION } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** Kinds that have powers in the operator namespace. */
const POWERFUL: readonly KindRef[] = [VAULT_AUTH, VAULT_AUTH_GLOBAL, VAULT_CONNECTION];

/** Tells the operator's own defaults from objects in another namespace of the same name. */
export interface OperatorGuard {
  /** Call before processing such objects: sends at most one request, and none for known ones. */
  check(kind: KindRef, objects: readonly SeenResource[], signal: AbortSignal): Promise<void>;
  /** Whether the object lacks the powers of the operator namespace. */
  isStranger(object: Pick<SeenResource, "namespace">): boolean;
}

/**
 * A watch pass reads the namespace once and stays for a minute. Meanwhile anyone may delete and recreate it, so an
 * object that appears in it triggers a check that the namespace is still the same.
 */
export function operatorGuard(
  deps: Pick<DiscoveryDeps, "clusters" | "log">,
  settings: ClusterSettings,
  operator: OperatorSeen,
): OperatorGuard {
  const { name: cluster, operatorNamespace } = settings;
  let isTrusted = hasPowers(operator);
  const known = new Set<string>();
  const isThere = (object: Pick<SeenResource, "namespace">): boolean => object.namespace === operatorNamespace;
  return {
    async check(kind, objects, signal) {
      if (!isTrusted || !POWERFUL.includes(kind)) return;
      const unknown = objects.filter((object) => isThere(object) && !known.has(object.uid));
      if (unknown.length === 0) return;
      // Only an answer from after the object was seen says whose it is.
      const uid = await deps.clusters.namespaceUid(cluster, operatorNamespace, signal);
      // Without permission to read its uid, it can't be told from another namespace.
      isTrusted = uid === "" || uid === operator.first;
      if (!isTrusted) deps.log.warn("operator-namespace-replaced", { cluster, namespace: operatorNamespace });
      for (const { uid } of unknown) known.add(uid);
    },
    isStranger: (object) => !isTrusted && isThere(object),
  };
}
