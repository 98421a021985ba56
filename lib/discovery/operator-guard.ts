import { type EpochMs, SECOND_MS } from "../clock.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { OperatorSeen } from "../ports/store.ts";
import { hasPowers } from "../references/operator-namespace.ts";
import type { KindRef } from "../resource-kinds.ts";
import { VAULT_AUTH, VAULT_AUTH_GLOBAL, VAULT_CONNECTION } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** Kinds whose objects have powers because of the namespace that they stand in. */
const POWERFUL: readonly KindRef[] = [VAULT_AUTH, VAULT_AUTH_GLOBAL, VAULT_CONNECTION];

/** What was found so long ago still holds. */
const FOUND_MS = 5 * SECOND_MS;

/** Tells the operator's own defaults from those that someone put in a namespace of the same name. */
export interface OperatorGuard {
  /** Asked before any of these is taken in: one request at most, and none for what was known already. */
  check(kind: KindRef, objects: readonly SeenResource[], signal: AbortSignal): Promise<void>;
  /** It has none of the powers that the operator namespace gives. */
  isStranger(object: Pick<SeenResource, "namespace">): boolean;
}

/**
 * A watch pass finds the namespace as it is, and stays for a minute. In that time it may be deleted and made anew, by someone
 * else: so an object that appears in it makes us ask whether it still is the one that was found.
 */
export function operatorGuard(
  deps: Pick<DiscoveryDeps, "clusters" | "clock" | "log">,
  settings: ClusterSettings,
  operator: OperatorSeen,
): OperatorGuard {
  const { name: cluster, operatorNamespace } = settings;
  let isTrusted = hasPowers(operator);
  let foundAt: EpochMs = deps.clock();
  const known = new Set<string>();
  const isThere = (object: Pick<SeenResource, "namespace">): boolean => object.namespace === operatorNamespace;
  return {
    async check(kind, objects, signal) {
      if (!isTrusted || !POWERFUL.includes(kind)) return;
      const unknown = objects.filter((object) => isThere(object) && !known.has(object.uid));
      if (unknown.length === 0) return;
      if (deps.clock() - foundAt >= FOUND_MS) {
        const uid = await deps.clusters.namespaceUid(cluster, operatorNamespace, signal);
        // One that may not be asked for its uid can't be told from another one.
        isTrusted = uid !== undefined && (uid === "" || uid === operator.first);
        foundAt = deps.clock();
        if (!isTrusted) deps.log.warn("operator-namespace-replaced", { cluster, namespace: operatorNamespace });
      }
      for (const { uid } of unknown) known.add(uid);
    },
    isStranger: (object) => !isTrusted && isThere(object),
  };
}
