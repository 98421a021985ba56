import type { MemoryCluster } from "./memory-cluster.ts";

/** A webhook that denies every patch of the objects of a namespace, though not of their status. */
export function deniesPatchesIn(namespace: string): NonNullable<MemoryCluster["fault"]> {
  const message = 'admission webhook "policy.example.com" denied the request: no';
  const body = { kind: "Status", apiVersion: "v1", status: "Failure", code: 400, reason: "BadRequest", message };
  return (call) =>
    call.verb === "patch" && call.namespace === namespace && call.subresource === undefined
      ? { http: 400, body }
      : undefined;
}
