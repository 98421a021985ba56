import { type ErrorCode, SyncError } from "../errors.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** They concern the one object: a webhook or missing rights refuse the change, it is invalid, or others write to it. */
const OF_ONE_OBJECT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ADMISSION_DENIED",
  "ADMISSION_FAILED",
  "KUBE_CONFLICT",
  "KUBE_DENIED",
  "KUBE_REJECTED",
]);

/**
 * Removes a finalizer of an object that is being deleted and needs no clean-up, or whose row has that duty. Where this
 * object's cannot be removed, others are followed all the same: it is tried again with the next list.
 */
export async function releaseDeleted(
  deps: Pick<DiscoveryDeps, "resources" | "log">,
  cluster: string,
  kind: KindRef,
  finalizer: string,
  { deleting, finalizers, namespace, name }: SeenResource,
  signal: AbortSignal,
): Promise<void> {
  if (!deleting || !finalizers.includes(finalizer)) return;
  try {
    await deps.resources.removeFinalizers({ cluster, namespace, name, kind }, [finalizer], signal);
  } catch (error) {
    if (!(error instanceof SyncError) || !OF_ONE_OBJECT.has(error.code)) throw error;
    deps.log.warn("finalizer-not-removed", { cluster, kind: kind.kind, namespace, name, code: error.code });
  }
}
