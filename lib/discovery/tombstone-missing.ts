import { partsOf } from "../keys.ts";
import type { ClusterState, Due, RowSummary } from "../ports/store.ts";
import type { KindRef } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** More than so many declarations gone in one watch pass is not believed without a person (lease-table 18). */
const BELIEVED_COUNT = 10;
const BELIEVED_SHARE = 0.2;

export function isTooMany(gone: number, of: number): boolean {
  return gone > Math.max(BELIEVED_COUNT, of * BELIEVED_SHARE);
}

/**
 * Rows that a complete list of the same cluster does not show. Each is asked for by name, and tombstoned when it is gone or
 * has another uid; when too many are gone at once nothing is tombstoned and the cluster's row says so.
 */
export async function tombstoneMissing(
  deps: DiscoveryDeps,
  kind: KindRef,
  absent: readonly RowSummary[],
  total: number,
  isReleased: boolean,
  signal: AbortSignal,
): Promise<ClusterState["awaitingApproval"]> {
  if (absent.length === 0) return undefined;
  if (isTooMany(absent.length, total) && !isReleased) {
    deps.log.error("missing-awaiting-approval", { kind: kind.kind, gone: absent.length, of: total });
    deps.metrics.count("keyferry_missing_awaiting_approval_total", { kind: kind.kind });
    return { since: deps.clock(), gone: absent.length, of: total };
  }
  const dues: Due[] = [];
  for (const { key, uid } of absent) {
    const { cluster, namespace, name } = partsOf(key);
    const found = await deps.resources.get({ cluster, namespace, name, kind }, signal);
    if (found && found.uid === uid) continue;
    const due = await deps.leases.tombstone(key, uid, deps.clock());
    if (due) dues.push(due);
  }
  await sendDue(deps.queue, dues, deps.clock());
  return undefined;
}
