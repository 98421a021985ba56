import { MINUTE_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { VsoLease } from "../ports/clusters.ts";
import type { KindRef } from "../resource-kinds.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import type { KubeCall } from "./kube-call.ts";
import { countAt, shapeAt, textAt } from "./shapes.ts";

const LEASE: KindRef = { group: "coordination.k8s.io", version: "v1", resource: "leases", kind: "Lease" };

/** The Lease of VSO's leader election. */
const NAME = "b0d477c0.hashicorp.com";

/** Longer lease durations are ignored: VSO's own lease takes 15 s. */
const MAX_DURATION_MS = 10 * MINUTE_MS;

/** The Lease that a running VSO renews every few seconds; undefined when it is missing or may not be read. */
export function vsoLeases(clients: ClusterClients) {
  return async (cluster: string, namespace: string, signal: AbortSignal): Promise<VsoLease | undefined> => {
    const call: KubeCall = { cluster, verb: "get", kind: LEASE, namespace, name: NAME };
    const answer = await clients.send(call, signal);
    if ("failure" in answer && answer.failure.http === 404) return undefined;
    try {
      const spec = shapeAt(accepted(call, answer), "spec");
      const renewedAt = Date.parse(textAt(spec, "renewTime") ?? "");
      if (Number.isNaN(renewedAt)) return undefined;
      const durationMs = Math.min((countAt(spec, "leaseDurationSeconds") ?? 0) * SECOND_MS, MAX_DURATION_MS);
      return { holder: textAt(spec, "holderIdentity") ?? "", renewedAt, durationMs };
    } catch (error) {
      // Without this permission keyferry goes on: a running VSO also shows by its writes.
      if (error instanceof SyncError && error.code === "KUBE_DENIED") return undefined;
      throw error;
    }
  };
}
