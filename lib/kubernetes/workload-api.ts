import type { EpochMs } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { NamedTarget, RolloutTarget, SeenTarget, WorkloadApi } from "../ports/workloads.ts";
import type { KindRef } from "../resource-kinds.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import type { KubeCall } from "./kube-call.ts";
import { isAbsent } from "./kube-failure.ts";
import { AS_MANAGER } from "./managed-fields.ts";
import { countAt, metadataOf, type Shape, shapeAt, textAt } from "./shapes.ts";
import { isRolloutComplete } from "./workload-status.ts";

/** The same annotation of the pod template as VSO's, so that tools recognise both. */
const RESTARTED_AT = "vso.secrets.hashicorp.com/restartedAt";

/** Set by `kubectl rollout restart`: counts as a restart like ours. */
const RESTARTED_BY_KUBECTL = "kubectl.kubernetes.io/restartedAt";

interface Workload {
  readonly kind: KindRef;
  /** When its pods were last told to restart, by its own fields. */
  readonly restartTimes: (spec: Shape) => readonly (string | undefined)[];
  readonly isPaused: (spec: Shape) => boolean;
  /** The part of `spec` that restarts it. All other fields belong to the workload's owner. */
  readonly restart: (time: string) => Shape;
}

function ofApps(kind: string, resource: string): Workload {
  return {
    kind: { group: "apps", version: "v1", resource, kind },
    restartTimes: (spec) => {
      const annotations = shapeAt(shapeAt(shapeAt(spec, "template"), "metadata"), "annotations");
      return [textAt(annotations, RESTARTED_AT), textAt(annotations, RESTARTED_BY_KUBECTL)];
    },
    isPaused: (spec) => spec.paused === true,
    restart: (time) => ({ template: { metadata: { annotations: { [RESTARTED_AT]: time } } } }),
  };
}

const WORKLOADS: Readonly<Record<RolloutTarget["kind"], Workload>> = {
  Deployment: ofApps("Deployment", "deployments"),
  StatefulSet: ofApps("StatefulSet", "statefulsets"),
  DaemonSet: ofApps("DaemonSet", "daemonsets"),
  "argo.Rollout": {
    kind: { group: "argoproj.io", version: "v1alpha1", resource: "rollouts", kind: "Rollout" },
    restartTimes: (spec) => [textAt(spec, "restartAt")],
    // Argo replaces the pods without a new revision, so a paused canary is restarted, too.
    isPaused: () => false,
    restart: (time) => ({ restartAt: time }),
  },
};

/** Reads and restarts workloads in clusters. */
export function workloadApi({ clients }: { clients: ClusterClients }): WorkloadApi {
  return {
    async get(target, signal) {
      const call: KubeCall = { ...objectOf(target), verb: "get" };
      const answer = await clients.send(call, signal);
      const isMissing =
        "failure" in answer && (isAbsent(answer.failure, call.kind.resource) || isAbsent(answer.failure, "namespaces"));
      return isMissing ? undefined : seenTarget(target, accepted(call, answer));
    },

    async restart(target, resourceVersion, now, signal) {
      const spec = WORKLOADS[target.kind].restart(new Date(now).toISOString().replace(/\.\d+Z$/, "Z"));
      const call: KubeCall = {
        ...objectOf(target),
        verb: "patch",
        contentType: "application/merge-patch+json",
        query: AS_MANAGER,
        body: { metadata: { resourceVersion }, spec },
      };
      try {
        accepted(call, await clients.send(call, signal));
        return true;
      } catch (error) {
        const isMoved =
          error instanceof SyncError && (error.code === "KUBE_CONFLICT" || error.code === "REFERENCE_MISSING");
        if (!isMoved) throw error;
        return false;
      }
    },
  };
}

function objectOf({
  cluster,
  namespace,
  kind,
  name,
}: NamedTarget): Omit<KubeCall, "verb"> & { readonly kind: KindRef } {
  return { cluster, namespace, name, kind: WORKLOADS[kind].kind };
}

function seenTarget({ kind }: NamedTarget, object: Shape): SeenTarget {
  const workload = WORKLOADS[kind];
  const { metadata, resourceVersion } = metadataOf(object, kind);
  const spec = shapeAt(object, "spec");
  const isComplete = isRolloutComplete(kind, object);
  const graceSeconds = countAt(shapeAt(shapeAt(spec, "template"), "spec"), "terminationGracePeriodSeconds");
  return {
    resourceVersion,
    createdAt: timeOf(textAt(metadata, "creationTimestamp")) ?? 0,
    restartTimes: workload
      .restartTimes(spec)
      .map(timeOf)
      .filter((time) => time !== undefined),
    paused: workload.isPaused(spec),
    deleting: textAt(metadata, "deletionTimestamp") !== undefined,
    ...(isComplete !== undefined && { isComplete }),
    ...(graceSeconds !== undefined && { graceSeconds }),
  };
}

/** Undefined when it is not a time: annotations can hold any text. */
function timeOf(text: string | undefined): EpochMs | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
