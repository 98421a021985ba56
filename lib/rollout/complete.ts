import type { EpochMs } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { NamedTarget, RolloutTarget } from "../ports/workloads.ts";
import { ENDS_THE_RUN, isCovered } from "./rollout.ts";

/** `pending`: not yet, or not for all. `unknown`: nothing that can be read will tell. */
export type Completion = "complete" | "pending" | "unknown";

/**
 * Whether every target was restarted or created since, and runs nothing older any more: then no workload that we know of
 * uses the data from before. One GET for each target, up to the first that is not complete. Throws what ends a run.
 */
export async function rolloutComplete(
  apis: Pick<ReconcileDeps, "rollouts" | "clock">,
  key: SyncKey,
  targets: readonly RolloutTarget[],
  since: EpochMs,
  signal: AbortSignal,
): Promise<Completion> {
  // Without targets, nobody knows which workloads use the data.
  if (targets.length === 0) return "unknown";
  const { cluster, namespace } = partsOf(key);
  for (const target of targets) {
    const completion = await completionOf(apis, { cluster, namespace, ...target }, since, signal);
    if (completion !== "complete") return completion;
  }
  return "complete";
}

/**
 * A missing target is no proof: its name may be wrong, and the workload that was meant still uses the data from before.
 * One that is created later has the new data. The pods of one that is being deleted may still run.
 */
async function completionOf(
  { rollouts, clock }: Pick<ReconcileDeps, "rollouts" | "clock">,
  target: NamedTarget,
  since: EpochMs,
  signal: AbortSignal,
): Promise<Completion> {
  try {
    const seen = await rollouts.get(target, signal);
    if (!seen || seen.deleting || !isCovered(seen, since, clock())) return "pending";
    if (seen.isComplete === undefined) return "unknown";
    return seen.isComplete ? "complete" : "pending";
  } catch (error) {
    if (!(error instanceof SyncError) || ENDS_THE_RUN.has(error.code)) throw error;
    return error.disposition === "retry" ? "pending" : "unknown";
  }
}
