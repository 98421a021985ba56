import { SECOND_MS } from "../clock.ts";
import type { ResolvedStaticSecret } from "../declarations/resolve.ts";
import { OUTAGE_CODES, SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Row } from "../ports/rows.ts";
import type { Lease, Settlement } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";

/** Ends the lease, and says who is to look at the row next. */
export async function settleRow(
  deps: ReconcileDeps,
  { key, declared }: Row,
  lease: Lease,
  settlement: Settlement,
): Promise<void> {
  const outcome = await deps.leases.settle(lease, settlement);
  const due = { key, group: declared.group, lane: "now" as const };
  if (outcome === "nudged") await sendDue(deps.queue, [{ ...due, at: deps.clock() }], deps.clock());
  else if (outcome === "lost") deps.log.info("lease-lost", { key });
  else await sendSoon(deps, due, settlement);
}

/** Whoever writes a `dueAt` that ticks may have passed over already sends the message too; the index is the safety net (lease-table 14). */
async function sendSoon(
  deps: ReconcileDeps,
  due: { key: Row["key"]; group: string; lane: "now" },
  { schedule, now, state }: Settlement,
): Promise<void> {
  const at = schedule.kind === "due" ? schedule.at : schedule.kind === "wheel" ? schedule.dueAt : undefined;
  // What waits under a circuit is woken by who closes it.
  const waits = state.error !== undefined && OUTAGE_CODES.has(state.error.code);
  if (at !== undefined && !waits && at <= now + DISPATCHED_AHEAD_MS) await sendDue(deps.queue, [{ ...due, at }], now);
}

/** Ticks dispatch so far ahead at most (lease-table 13). */
const DISPATCHED_AHEAD_MS = 120 * SECOND_MS;

/** What the series of single syncs are told. */
export function report(
  deps: ReconcileDeps,
  row: Row,
  resolved: ResolvedStaticSecret | SyncError,
  error?: SyncError,
): void {
  // There is no sync any more that could fail.
  if (error?.code === "DECLARATION_GONE") return;
  const refreshAfterMs = resolved instanceof SyncError ? undefined : resolved.refreshAfterMs;
  deps.metrics.ran?.({
    key: row.key,
    at: deps.clock(),
    ...(error === undefined ? {} : { code: error.code }),
    ...(refreshAfterMs === undefined ? {} : { refreshAfterMs }),
  });
}
