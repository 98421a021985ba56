import type { ReconcileDeps } from "../../ports/deps.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { ClusterState } from "../../ports/store.ts";
import { hasPowers } from "../../references/operator-namespace.ts";

/** The keys of VSO's MACs, from operator namespaces with powers. */
export interface MacKeys {
  of(settings: ClusterSettings, signal: AbortSignal): Promise<Buffer | undefined>;
}

/** One reader per batch, which reads each cluster's row once. */
export function macKeys(deps: Pick<ReconcileDeps, "leases" | "secrets">): MacKeys {
  const states = new Map<string, Promise<ClusterState | undefined>>();
  const stateOf = (name: string): Promise<ClusterState | undefined> => {
    const state = states.get(name) ?? deps.leases.cluster(name).then((row) => row?.state);
    states.set(name, state);
    return state;
  };
  return {
    async of({ name, operatorNamespace }, signal) {
      const { operator, macKey } = (await stateOf(name)) ?? {};
      if (!hasPowers(operator)) return undefined;
      const madeAt = macKey?.state === "made" ? macKey.at : 0;
      return deps.secrets.hmacKey(name, operatorNamespace, signal, madeAt);
    },
  };
}
