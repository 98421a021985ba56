import type { EpochMs } from "../clock.ts";

/** A workload that a declaration restarts, in its own namespace. */
export interface RolloutTarget {
  readonly kind: "Deployment" | "DaemonSet" | "StatefulSet" | "argo.Rollout";
  readonly name: string;
}

/** A workload in its cluster and namespace. */
export interface NamedTarget extends RolloutTarget {
  readonly cluster: string;
  readonly namespace: string;
}

/** The parts of a workload that matter for a restart. */
export interface SeenTarget {
  readonly resourceVersion: string;
  readonly createdAt: EpochMs;
  /** When programs last restarted it, one time for each annotation or field that says so. */
  readonly restartTimes: readonly EpochMs[];
  /** Changes take effect only when it is resumed. */
  readonly paused: boolean;
  readonly deleting: boolean;
  /** Every replica runs the present template, and is available. Missing: its status can't tell. */
  readonly isComplete?: boolean;
  /** How long its pods may take to end, in seconds: those from before may still run. Missing: Kubernetes' default, 30. */
  readonly graceSeconds?: number;
}

/** Workloads. KUBE_REJECTED when the cluster has no such kind. */
export interface WorkloadApi {
  /** One GET. Undefined: absent. */
  get(target: NamedTarget, signal: AbortSignal): Promise<SeenTarget | undefined>;
  /**
   * Restarts it if it is unchanged since the read; otherwise, or when it is gone, returns false. `now` becomes one
   * of its `restartTimes`, in whole seconds.
   */
  restart(target: NamedTarget, resourceVersion: string, now: EpochMs, signal: AbortSignal): Promise<boolean>;
}
