import type { EpochMs } from "../clock.ts";

/** A workload that a declaration wants restarted, in its own namespace. */
export interface RolloutTarget {
  readonly kind: "Deployment" | "DaemonSet" | "StatefulSet" | "argo.Rollout";
  readonly name: string;
}

export interface NamedTarget extends RolloutTarget {
  readonly cluster: string;
  readonly namespace: string;
}

/** A workload as it was read, as far as restarting it goes. */
export interface SeenTarget {
  readonly resourceVersion: string;
  readonly createdAt: EpochMs;
  /** When it was last restarted, by whomever; missing: it never was. */
  readonly restartedAt?: EpochMs;
  /** What is changed in it now takes effect when it is resumed only. */
  readonly paused: boolean;
  readonly deleting: boolean;
}

/** Workloads. KUBE_REJECTED when the cluster has no such kind. */
export interface WorkloadApi {
  /** One GET. Undefined: absent. */
  get(target: NamedTarget, signal: AbortSignal): Promise<SeenTarget | undefined>;
  /** Restarts it, given that it is as it was looked at; false when it is not, or is gone. `now` becomes its `restartedAt`, in whole seconds. */
  restart(target: NamedTarget, resourceVersion: string, now: EpochMs, signal: AbortSignal): Promise<boolean>;
}
