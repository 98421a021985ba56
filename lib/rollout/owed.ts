import { isCleanupKey, type SyncKey } from "../keys.ts";
import { conditionList, ROLLOUT_RESTART } from "../origins/status.ts";
import type { OwedRollout, Row } from "../ports/rows.ts";
import type { LeaseStore, RowSummary } from "../ports/store.ts";
import { isReferenceStatus } from "../resource-kinds.ts";

/** Restarts that a sync owes: its Secret is in step, but its workloads still run with old data. */
export interface OwedRestarts extends Pick<OwedRollout, "since" | "at" | "attempts"> {
  /** Why the last try failed. */
  readonly message?: string;
}

export function owedRestarts({ state }: Pick<Row, "state">): OwedRestarts | undefined {
  if (state.rollout === undefined) return undefined;
  const { since, at, attempts } = state.rollout;
  if (attempts === 0) return { since, at, attempts };
  const told = conditionList(state.seen?.status ?? {}).find(({ type }) => type === ROLLOUT_RESTART);
  const isOfFailure = told?.status === "False" && typeof told.message === "string";
  return { since, at, attempts, ...(isOfFailure ? { message: told.message as string } : {}) };
}

/** How many rows are read at once. */
const PAGE = 500;

/** Those of these syncs that owe restarts. They are in the due index, so few rows are read. */
export async function thatOweRestarts(
  leases: Pick<LeaseStore, "read">,
  rows: readonly RowSummary[],
): Promise<ReadonlyMap<SyncKey, OwedRestarts>> {
  const isPossible = ({ key, dueAt }: RowSummary): boolean =>
    dueAt !== undefined && !isCleanupKey(key) && !isReferenceStatus(key);
  const keys = rows.filter(isPossible).map(({ key }) => key);
  const owing = new Map<SyncKey, OwedRestarts>();
  for (let from = 0; from < keys.length; from += PAGE) {
    for (const row of (await leases.read(keys.slice(from, from + PAGE), "eventual")).values()) {
      const owed = owedRestarts(row);
      if (owed) owing.set(row.key, owed);
    }
  }
  return owing;
}
