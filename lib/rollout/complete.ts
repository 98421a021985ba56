import type { EpochMs } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { NamedTarget, RolloutTarget } from "../ports/workloads.ts";
import { ENDS_THE_RUN, isCovered } from "./rollout.ts";

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
): Promise<boolean> {
  // Without targets, nobody knows which workloads use the data.
  if (targets.length === 0) return false;
  const { cluster, namespace } = partsOf(key);
  for (const target of targets) {
    if (!(await isComplete(apis, { cluster, namespace, ...target }, since, signal))) return false;
  }
  return true;
}

/**
 * A missing target is no proof: its name may be wrong, and the workload that was meant still uses the data from before.
 * One that is created later has the new data. The pods of one that is being deleted may still run.
 */
async function isComplete(
  { rollouts, clock }: Pick<ReconcileDeps, "rollouts" | "clock">,
  target: NamedTarget,
  since: EpochMs,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const seen = await rollouts.get(target, signal);
    if (!seen || seen.deleting || !isCovered(seen, since, clock())) return false;
    return seen.isComplete === true;
  } catch (error) {
    if (!(error instanceof SyncError) || ENDS_THE_RUN.has(error.code)) throw error;
    return false;
  }
}
