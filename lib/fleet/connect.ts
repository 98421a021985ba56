import { resolve } from "node:path";
import { stringify } from "yaml";
import type { EpochMs } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { FleetCluster } from "./fleet.ts";

/** What the Kubernetes adapter connects with: a kubeconfig as text or file, and its context. */
export interface ClusterAccess {
  readonly kubeConfig: { readonly text: string } | { readonly path: string };
  readonly context?: string;
  /** When the credentials expire. */
  readonly expiresAt?: EpochMs;
}

/** The error for a request to a cluster that is not, or no longer, in the fleet. */
export function notInFleet(cluster: string): SyncError {
  return new SyncError("REFERENCE_INVALID", `cluster ${cluster} is not in the fleet: add it to fleet.yaml`);
}

/**
 * How to reach a cluster of the fleet; paths are relative to the fleet file's folder. Does not read files: each
 * connection reads them, again and again, so that rotated tokens and certificates are used.
 */
export function connectionOf(cluster: Pick<FleetCluster, "name" | "connect">, folder: string): ClusterAccess {
  const { kubeconfig, server } = cluster.connect;
  if (kubeconfig) {
    const { path, context } = kubeconfig;
    return { kubeConfig: { path: resolve(folder, path) }, ...(context === undefined ? {} : { context }) };
  }
  if (server) return { kubeConfig: { text: kubeconfigOf(server, folder) } };
  throw new Error(`cluster ${cluster.name} has no way to connect`);
}

function kubeconfigOf(server: NonNullable<FleetCluster["connect"]["server"]>, folder: string): string {
  const file = (field: string, path: string | undefined) =>
    path === undefined ? {} : { [field]: resolve(folder, path) };
  const name = "cluster";
  const cluster = {
    server: server.url,
    ...file("certificate-authority", server.caFile),
    ...(server.caData === undefined ? {} : { "certificate-authority-data": server.caData }),
    ...(server.serverName === undefined ? {} : { "tls-server-name": server.serverName }),
    ...(server.insecure ? { "insecure-skip-tls-verify": true } : {}),
  };
  const user = {
    ...file("tokenFile", server.tokenFile),
    ...file("client-certificate", server.clientCertFile),
    ...file("client-key", server.clientKeyFile),
  };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
