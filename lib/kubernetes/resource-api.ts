import { SyncError } from "../errors.ts";
import type { ResourceRef } from "../ports/objects.ts";
import type { ResourceApi, SeenResource } from "../ports/resources.ts";
import type { Log } from "../ports/telemetry.ts";
import type { KindRef } from "../resource-kinds.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import { type KubeCall, metadataAs } from "./kube-call.ts";
import { isAbsent } from "./kube-failure.ts";
import { AS_MANAGER } from "./managed-fields.ts";
import { resourceChanges } from "./resource-change.ts";
import { eventBody } from "./resource-event.ts";
import { seenResource } from "./resource-object.ts";
import { metadataOf, type Shape } from "./shapes.ts";

const EVENT: KindRef = { group: "", version: "v1", resource: "events", kind: "Event" };

/** Keeps the body that we have just sent out of the answer. */
const METADATA_ONLY = metadataAs("PartialObjectMetadata");

/** Another controller may write the resource at the same time. */
const FINALIZER_ATTEMPTS = 5;

/** Reads and writes custom resources in clusters (kubernetes-rules 15 to 18). */
export function resourceApi({ clients, log }: { clients: ClusterClients; log: Log }): ResourceApi {
  const get = async (ref: ResourceRef, signal: AbortSignal): Promise<SeenResource | undefined> => {
    const found = await read(clients, ref, signal);
    return found && seenResource(ref.kind, found);
  };

  return {
    get,
    change: resourceChanges(clients, get),

    async writeStatus(ref, status, resourceVersion, signal) {
      const call: KubeCall = {
        ...ref,
        verb: "patch",
        subresource: "status",
        accept: METADATA_ONLY,
        contentType: "application/merge-patch+json",
        query: AS_MANAGER,
        body: { metadata: { resourceVersion }, status },
      };
      return metadataOf(accepted(call, await clients.send(call, signal)), ref.kind.kind).resourceVersion;
    },

    async emit(ref, uid, event, now, signal) {
      const { cluster, namespace } = ref;
      const body = eventBody(ref, uid, event, now);
      const how = { accept: METADATA_ONLY, query: AS_MANAGER };
      const call: KubeCall = { cluster, verb: "create", kind: EVENT, namespace, ...how, body };
      try {
        accepted(call, await clients.send(call, signal));
      } catch (error) {
        if (!(error instanceof SyncError)) throw error;
        const { kind, name } = ref;
        const fields = { cluster, kind: kind.kind, namespace, name, reason: event.reason };
        log.warn("event-not-written", { ...fields, code: error.code, message: error.message });
      }
    },

    removeFinalizers: (ref, finalizers, signal) => removeFinalizers(clients, ref, finalizers, signal),
  };
}

/** Undefined: absent, or its namespace is. */
async function read(clients: ClusterClients, ref: ResourceRef, signal: AbortSignal): Promise<Shape | undefined> {
  const call: KubeCall = { ...ref, verb: "get" };
  const answer = await clients.send(call, signal);
  const isMissing =
    "failure" in answer && (isAbsent(answer.failure, ref.kind.resource) || isAbsent(answer.failure, "namespaces"));
  return isMissing ? undefined : accepted(call, answer);
}

async function removeFinalizers(
  clients: ClusterClients,
  ref: ResourceRef,
  finalizers: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await dropFinalizers(clients, ref, finalizers, signal);
    } catch (error) {
      const isConflict = error instanceof SyncError && error.code === "KUBE_CONFLICT";
      if (!isConflict || attempt === FINALIZER_ATTEMPTS) throw error;
    }
  }
}

/** One attempt: throws KUBE_CONFLICT when the finalizers changed after the read. */
async function dropFinalizers(
  clients: ClusterClients,
  ref: ResourceRef,
  drop: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const found = await read(clients, ref, signal);
  const seen = found && seenResource(ref.kind, found);
  const kept = seen?.finalizers.filter((finalizer) => !drop.includes(finalizer));
  if (!seen || kept?.length === seen.finalizers.length) return;
  const body = [
    { op: "test", path: "/metadata/uid", value: seen.uid },
    { op: "test", path: "/metadata/finalizers", value: seen.finalizers },
    { op: "replace", path: "/metadata/finalizers", value: kept },
  ];
  const contentType = "application/json-patch+json";
  const call: KubeCall = { ...ref, verb: "patch", contentType, query: AS_MANAGER, body };
  const answer = await clients.send(call, signal);
  if ("failure" in answer && isAbsent(answer.failure, ref.kind.resource)) return;
  accepted(call, answer);
}
