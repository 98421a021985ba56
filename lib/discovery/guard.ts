import { described } from "../described.ts";
import { RowTooLarge, SyncError, unlessTooLarge } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";

/**
 * Runs the work for one object. A bug that it triggers is logged, and the object is skipped, so that the cluster's
 * others continue; the same goes for one that the table can't hold. Other coded errors are thrown on: they concern more
 * than one object.
 */
export async function unlessBug<T>(
  deps: Pick<DiscoveryDeps, "log" | "metrics">,
  { cluster, kind, object }: { readonly cluster: string; readonly kind: KindRef; readonly object: SeenResource },
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const { namespace, name } = object;
    if (error instanceof RowTooLarge) {
      deps.log.error("object-not-stored", { cluster, kind: kind.kind, namespace, name, ...described(error) });
      return undefined;
    }
    if (error instanceof SyncError) throw error;
    deps.log.error("object-crashed", { cluster, kind: kind.kind, namespace, name, ...described(error) });
    deps.metrics.count("keyferry_bugs_total", {});
    return undefined;
  }
}

/** Changes one row of many. One that the table can't hold after the change stays as it is, and is logged. */
export function toldIfTooLarge<T>(
  { log }: Pick<DiscoveryDeps, "log">,
  key: SyncKey,
  change: () => Promise<T>,
): Promise<T | undefined> {
  return unlessTooLarge<T | undefined>(change(), (error) => {
    log.error("row-not-stored", { key, ...described(error) });
    return undefined;
  });
}

/** The signal has ended the call. Other failures at the same time, bugs among them, stay what they are. */
export function isOfAbort(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  if (error instanceof SyncError) return error.code === "DEADLINE_EXCEEDED";
  return error === signal.reason || (error instanceof Error && error.name === "AbortError");
}
