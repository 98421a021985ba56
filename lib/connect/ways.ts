import { SyncError } from "../errors.ts";
import type { Connect } from "../fleet/connect-schema.ts";
import type { FleetCluster } from "../fleet/fleet.ts";
import type { ClusterAccess } from "../ports/cluster-access.ts";
import { hub } from "./hub.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { server } from "./server.ts";
import type { ConnectDeps, Way } from "./way.ts";

/** Every way to connect, by its name in `connect`. */
export const WAYS: { readonly [W in keyof Required<Connect>]: Way<NonNullable<Connect[W]>> } = {
  kubeconfig,
  server,
  // Loaded only where a cluster is reached by them: functions start without code that signs, and a client for Vault.
  eks: async (...asked) => (await import("./eks.ts")).eks(...asked),
  vaultKubernetes: async (...asked) => (await import("./vault-kubernetes.ts")).vaultKubernetes(...asked),
  vaultKubeconfig: async (...asked) => (await import("./vault-kubeconfig.ts")).vaultKubeconfig(...asked),
  hub,
};

/** Access to a cluster by the way that its `connect` names. Errors name the cluster. */
export async function accessTo(
  cluster: Pick<FleetCluster, "name" | "connect">,
  deps: ConnectDeps,
  isRefused = false,
): Promise<ClusterAccess> {
  for (const [name, way] of Object.entries(WAYS)) {
    const connect = cluster.connect[name as keyof Connect];
    if (connect === undefined) continue;
    try {
      return await (way as Way<unknown>)(connect, deps, { cluster: cluster.name, isRefused });
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      const { code, message, circuit, retryAfterMs } = error;
      throw new SyncError(code, `cluster ${cluster.name}: ${message}`, {
        cause: error,
        ...(circuit === undefined ? {} : { circuit }),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
    }
  }
  throw new SyncError("REFERENCE_INVALID", `cluster ${cluster.name} has no way to connect: add one in fleet.yaml`);
}
