import { SyncError } from "../errors.ts";
import type { KindRef } from "../reconcile/ports.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import type { KubeCall } from "./kube-call.ts";
import { isAbsent } from "./kube-failure.ts";
import { type Shape, textsAt } from "./shapes.ts";

const CONFIG_MAP: KindRef = { group: "", version: "v1", resource: "configmaps", kind: "ConfigMap" };
const NAME = "keyferry-installation";

/** Where the id stands in clusters without the operator's namespace. */
const FALLBACK_NAMESPACE = "default";

/**
 * The installation id that stands in a cluster, written if none does (lease-table 25). Both places are looked at before
 * one is written: a namespace that is made later must not make room for a second id.
 */
export function installations(clients: ClusterClients) {
  return async (cluster: string, namespace: string, id: string, signal: AbortSignal): Promise<string | undefined> => {
    const places = [...new Set([namespace, FALLBACK_NAMESPACE])];
    try {
      return (
        (await firstOf(places, (place) => read(clients, cluster, place, signal))) ??
        (await firstOf(places, (place) => write(clients, cluster, place, id, signal)))
      );
    } catch (error) {
      if (error instanceof SyncError && error.code === "KUBE_DENIED") return undefined;
      throw error;
    }
  };
}

/** The id that stands in a cluster, for who only looks: none is written. */
export function installationSeen(clients: ClusterClients) {
  return async (cluster: string, namespace: string, _id: string, signal: AbortSignal): Promise<string | undefined> => {
    const places = [...new Set([namespace, FALLBACK_NAMESPACE])];
    try {
      return await firstOf(places, (place) => read(clients, cluster, place, signal));
    } catch (error) {
      if (error instanceof SyncError && error.code === "KUBE_DENIED") return undefined;
      throw error;
    }
  };
}

/** What the first place that has something gives. */
async function firstOf<T>(places: readonly string[], ask: (place: string) => Promise<T | undefined>) {
  for (const place of places) {
    const found = await ask(place);
    if (found !== undefined) return found;
  }
  return undefined;
}

function idOf(configMap: Shape): string | undefined {
  return textsAt(configMap, "data").id || undefined;
}

async function read(
  clients: ClusterClients,
  cluster: string,
  namespace: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const call: KubeCall = { cluster, verb: "get", kind: CONFIG_MAP, namespace, name: NAME };
  const answer = await clients.send(call, signal);
  if ("failure" in answer) {
    if (isAbsent(answer.failure, "configmaps") || isAbsent(answer.failure, "namespaces")) return undefined;
    // A role that reaches only the operator's namespace has no say in the other one.
    if (namespace === FALLBACK_NAMESPACE && answer.failure.http === 403) return undefined;
  }
  return idOf(accepted(call, answer));
}

/** Creates it; answers what another installation wrote in between. Undefined: this namespace can't hold it. */
async function write(
  clients: ClusterClients,
  cluster: string,
  namespace: string,
  id: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: NAME, namespace }, data: { id } };
  const call: KubeCall = { cluster, verb: "create", kind: CONFIG_MAP, namespace, body };
  const answer = await clients.send(call, signal);
  if ("failure" in answer && answer.failure.status?.reason === "AlreadyExists") {
    return read(clients, cluster, namespace, signal);
  }
  try {
    return idOf(accepted(call, answer));
  } catch (error) {
    const isGone =
      error instanceof SyncError && (error.code === "NAMESPACE_MISSING" || error.code === "NAMESPACE_TERMINATING");
    if (isGone) return undefined;
    throw error;
  }
}
