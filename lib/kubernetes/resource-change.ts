import { SyncError } from "../errors.ts";
import type { ResourceRef } from "../ports/objects.ts";
import type { ResourceChange, SeenResource } from "../ports/resources.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import type { KubeCall } from "./kube-call.ts";
import { MANAGER } from "./managed-fields.ts";

/** Another controller may write the resource at the same time. */
const ATTEMPTS = 5;

/** Changes only a resource's metadata: its generation stays, so no controller sees an edit of the spec. */
export function resourceChanges(
  clients: ClusterClients,
  get: (ref: ResourceRef, signal: AbortSignal) => Promise<SeenResource | undefined>,
) {
  const tryOnce = async (ref: ResourceRef, seen: SeenResource, change: ResourceChange, signal: AbortSignal) => {
    const added = change.addFinalizers.filter((finalizer) => !seen.finalizers.includes(finalizer));
    const metadata = {
      resourceVersion: seen.resourceVersion,
      annotations: change.annotations,
      ...(added.length > 0 && { finalizers: [...seen.finalizers, ...added] }),
    };
    const contentType = "application/merge-patch+json";
    const query = { fieldManager: MANAGER };
    const call: KubeCall = { ...ref, verb: "patch", contentType, query, body: { metadata } };
    accepted(call, await clients.send(call, signal));
  };
  return async (ref: ResourceRef, uid: string, change: ResourceChange, signal: AbortSignal): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      const seen = await get(ref, signal);
      if (!seen || seen.uid !== uid || seen.deleting) return;
      try {
        return await tryOnce(ref, seen, change, signal);
      } catch (error) {
        const isConflict = error instanceof SyncError && error.code === "KUBE_CONFLICT";
        if (!isConflict || attempt === ATTEMPTS) throw error;
      }
    }
  };
}
