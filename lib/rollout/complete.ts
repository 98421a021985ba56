import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { RolloutTarget } from "../ports/workloads.ts";

export async function rolloutComplete(
  _apis: Pick<ReconcileDeps, "rollouts">,
  _key: SyncKey,
  _targets: readonly RolloutTarget[],
  _since: EpochMs,
  _signal: AbortSignal,
): Promise<"complete" | "pending" | "unknown"> {
  return "unknown";
}
