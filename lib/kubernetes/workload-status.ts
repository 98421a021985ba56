import type { RolloutTarget } from "../ports/workloads.ts";
import { countAt, numberAt, type Shape, shapeAt, textAt } from "./shapes.ts";

/**
 * Whether every replica of a workload runs its present template, by the status that its controller wrote. Undefined:
 * this workload's status can't tell.
 */
export function isRolloutComplete(kind: RolloutTarget["kind"], object: Shape): boolean | undefined {
  const generation = countAt(shapeAt(object, "metadata"), "generation");
  const observed = observedGeneration(shapeAt(object, "status"));
  // What the controller did not see yet, it did not roll out.
  if (generation === undefined || observed === undefined || observed < generation) return false;
  return JUDGES[kind](shapeAt(object, "spec"), shapeAt(object, "status"));
}

type Judge = (spec: Shape, status: Shape) => boolean | undefined;

const JUDGES: Readonly<Record<RolloutTarget["kind"], Judge>> = {
  Deployment(spec, status) {
    const wanted = replicasIn(spec);
    const updated = count(status, "updatedReplicas");
    // Not every version of Kubernetes counts pods that are still ending.
    const isRid = count(status, "replicas") === updated && count(status, "terminatingReplicas") === 0;
    return isRid && updated === wanted && count(status, "availableReplicas") === wanted;
  },

  StatefulSet(spec, status) {
    const wanted = replicasIn(spec);
    const there = count(status, "replicas");
    if (wanted === 0 && there === 0) return true;
    if (isOnDelete(spec)) return undefined;
    // With a partition, the revisions stay different.
    const revision = textAt(status, "updateRevision");
    const isUpdated = revision !== undefined && textAt(status, "currentRevision") === revision;
    return isUpdated && there === wanted && count(status, "availableReplicas") === wanted;
  },

  DaemonSet(spec, status) {
    const wanted = count(status, "desiredNumberScheduled");
    if (wanted === 0 && count(status, "currentNumberScheduled") === 0 && count(status, "numberMisscheduled") === 0) {
      return true;
    }
    if (isOnDelete(spec)) return undefined;
    const isUpdated = count(status, "updatedNumberScheduled") === wanted;
    return isUpdated && count(status, "numberUnavailable") === 0 && count(status, "numberAvailable") === wanted;
  },

  // Its controller judges updates and restarts of all strategies itself, since version 1.0.
  "argo.Rollout"(_spec, status) {
    const phase = textAt(status, "phase");
    return phase === undefined ? undefined : phase === "Healthy";
  },
};

/** Argo Rollouts writes it as a text. Missing: its controller has not seen the workload. */
function observedGeneration(status: Shape): number | undefined {
  const text = textAt(status, "observedGeneration") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : countAt(status, "observedGeneration");
}

/** Kubernetes leaves out a count of 0. */
function count(status: Shape, name: string): number {
  return countAt(status, name) ?? 0;
}

function replicasIn(spec: Shape): number {
  return numberAt(spec, "replicas") ?? 1;
}

/** Its pods get the present template only when someone deletes them, and the status does not count all that did. */
function isOnDelete(spec: Shape): boolean {
  return textAt(shapeAt(spec, "updateStrategy"), "type") === "OnDelete";
}
