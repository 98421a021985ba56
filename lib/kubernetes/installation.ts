import { SyncError } from "../errors.ts";
import type { ClusterApi, InstallationMark } from "../ports/clusters.ts";
import type { KindRef } from "../resource-kinds.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import { type KubeCall, metadataAs, NAMESPACE } from "./kube-call.ts";
import { isAbsent } from "./kube-failure.ts";
import { metadataOf, type Shape, textsAt } from "./shapes.ts";

const CONFIG_MAP: KindRef = { group: "", version: "v1", resource: "configmaps", kind: "ConfigMap" };
const NAME = "keyferry-installation";

/** Reads and writes the installation's id, and the namespace that holds it (lease-table 25). */
export function installations(
  clients: ClusterClients,
): Pick<ClusterApi, "namespaceUid" | "installation" | "markInstallation"> {
  return {
    namespaceUid: (cluster, namespace, signal) => uidOf(clients, cluster, namespace, signal),
    installation: (cluster, namespace, signal) => read(clients, cluster, namespace, signal),
    markInstallation: (cluster, namespace, id, signal) => write(clients, cluster, namespace, id, signal),
  };
}

function isDenied(error: unknown): boolean {
  return error instanceof SyncError && error.code === "KUBE_DENIED";
}

function isGone(error: unknown): boolean {
  return error instanceof SyncError && (error.code === "NAMESPACE_MISSING" || error.code === "NAMESPACE_TERMINATING");
}

async function uidOf(
  clients: ClusterClients,
  cluster: string,
  namespace: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const accept = metadataAs("PartialObjectMetadata");
  const call: KubeCall = { cluster, verb: "get", kind: NAMESPACE, name: namespace, accept };
  const answer = await clients.send(call, signal);
  if ("failure" in answer && isAbsent(answer.failure, NAMESPACE.resource)) return undefined;
  try {
    return metadataOf(accepted(call, answer), `namespace ${namespace}`).uid;
  } catch (error) {
    if (!isDenied(error)) throw error;
    return (await isThere(clients, cluster, namespace, signal)) ? "" : undefined;
  }
}

/** Without the right to read it, the refusal of a write shows whether it exists. */
async function isThere(clients: ClusterClients, cluster: string, namespace: string, signal: AbortSignal) {
  const call: KubeCall = { ...creation(cluster, namespace, ""), query: { dryRun: "All" } };
  const answer = await clients.send(call, signal);
  if (!("failure" in answer) || answer.failure.status?.reason === "AlreadyExists") return true;
  try {
    accepted(call, answer);
  } catch (error) {
    if (isGone(error)) return false;
    if (!isDenied(error)) throw error;
  }
  return true;
}

function markOf(configMap: Shape): InstallationMark | "unreadable" {
  const { id } = textsAt(configMap, "data");
  return id ? { id, uid: metadataOf(configMap, CONFIG_MAP.kind).uid } : "unreadable";
}

async function read(
  clients: ClusterClients,
  cluster: string,
  namespace: string,
  signal: AbortSignal,
): Promise<InstallationMark | "absent" | "unreadable"> {
  const call: KubeCall = { cluster, verb: "get", kind: CONFIG_MAP, namespace, name: NAME };
  const answer = await clients.send(call, signal);
  const isMissing =
    "failure" in answer && (isAbsent(answer.failure, "configmaps") || isAbsent(answer.failure, NAMESPACE.resource));
  if (isMissing) return "absent";
  try {
    return markOf(accepted(call, answer));
  } catch (error) {
    if (isDenied(error)) return "unreadable";
    throw error;
  }
}

function creation(cluster: string, namespace: string, id: string): KubeCall {
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: NAME, namespace }, data: { id } };
  return { cluster, verb: "create", kind: CONFIG_MAP, namespace, body };
}

/** Creates it, or returns the one that another installation created first. Undefined: this namespace can't hold it. */
async function write(
  clients: ClusterClients,
  cluster: string,
  namespace: string,
  id: string,
  signal: AbortSignal,
): Promise<InstallationMark | undefined> {
  const call = creation(cluster, namespace, id);
  const answer = await clients.send(call, signal);
  try {
    const isTaken = "failure" in answer && answer.failure.status?.reason === "AlreadyExists";
    const there = isTaken ? await read(clients, cluster, namespace, signal) : markOf(accepted(call, answer));
    return typeof there === "object" ? there : undefined;
  } catch (error) {
    if (isGone(error) || isDenied(error)) return undefined;
    throw error;
  }
}
