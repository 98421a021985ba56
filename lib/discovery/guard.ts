import { described } from "../described.ts";
import { SyncError } from "../errors.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";

/**
 * Runs the work for one object. A bug that it triggers is logged, and the object is skipped, so that the cluster's
 * others continue. Coded errors are thrown on: they concern more than one object.
 */
export async function unlessBug<T>(
  deps: Pick<DiscoveryDeps, "log" | "metrics">,
  { cluster, kind, object }: { readonly cluster: string; readonly kind: KindRef; readonly object: SeenResource },
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SyncError) throw error;
    const { namespace, name } = object;
    deps.log.error("object-crashed", { cluster, kind: kind.kind, namespace, name, ...described(error) });
    deps.metrics.count("keyferry_bugs_total", {});
    return undefined;
  }
}
