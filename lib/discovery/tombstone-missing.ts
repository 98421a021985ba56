import { partsOf } from "../keys.ts";
import type { ClusterState, Due, RowSummary } from "../ports/store.ts";
import type { KindRef } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { toldIfTooLarge } from "./guard.ts";

/** If more declarations are gone in one watch pass, a person must confirm it (lease-table 18). */
const BELIEVED_COUNT = 10;
const BELIEVED_SHARE = 0.2;

export function isTooMany(gone: number, of: number): boolean {
  return gone > Math.max(BELIEVED_COUNT, of * BELIEVED_SHARE);
}

/**
 * Handles rows that a complete list lacks. Reads each by name, and tombstones it when it is gone or has another uid.
 * When too many are gone at once, tombstones none and records that in the cluster's row.
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
    const due = await toldIfTooLarge(deps, key, () => deps.leases.tombstone(key, uid, deps.clock()));
    if (due) dues.push(due);
  }
  await sendDue(deps.queue, dues, deps.clock());
  return undefined;
}
