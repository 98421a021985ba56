import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { NamedTarget, RolloutTarget, SeenTarget } from "../ports/workloads.ts";
import { ENDS_THE_RUN, isCovered } from "./rollout.ts";

/** Kubernetes' default. */
const GRACE_SECONDS = 30;

/**
 * Whether every target was restarted or created since, and runs nothing older any more, but for pods that are told to
 * end. The answer is how long these may take, in ms: after that no workload that we know of uses the data from before.
 * Undefined: one is not complete. One GET for each target, up to the first that is not. Throws what ends a run.
 */
export async function rolloutComplete(
  apis: Pick<ReconcileDeps, "rollouts" | "clock">,
  key: SyncKey,
  targets: readonly RolloutTarget[],
  since: EpochMs,
  signal: AbortSignal,
): Promise<number | undefined> {
  // Without targets, nobody knows which workloads use the data.
  if (targets.length === 0) return undefined;
  const { cluster, namespace } = partsOf(key);
  const graces: number[] = [];
  for (const target of targets) {
    const seen = await completeOne(apis, { cluster, namespace, ...target }, since, signal);
    if (seen === undefined) return undefined;
    graces.push((seen.graceSeconds ?? GRACE_SECONDS) * SECOND_MS);
  }
  return Math.max(...graces);
}

/**
 * A missing target is no proof: its name may be wrong, and the workload that was meant still uses the data from before.
 * One that is created later has the new data. The pods of one that is being deleted may still run.
 */
async function completeOne(
  { rollouts, clock }: Pick<ReconcileDeps, "rollouts" | "clock">,
  target: NamedTarget,
  since: EpochMs,
  signal: AbortSignal,
): Promise<SeenTarget | undefined> {
  try {
    const seen = await rollouts.get(target, signal);
    if (!seen || seen.deleting || !isCovered(seen, since, clock())) return undefined;
    return seen.isComplete === true ? seen : undefined;
  } catch (error) {
    if (!(error instanceof SyncError) || ENDS_THE_RUN.has(error.code)) throw error;
    return undefined;
  }
}
