import type { RolloutTarget } from "../lib/ports/workloads.ts";
import { leastCrd } from "./least-crd.ts";

/** The least of Argo Rollouts that a cluster needs to hold a Rollout: nobody acts on it here. */
export const ARGO_ROLLOUT_CRD = leastCrd(
  { group: "argoproj.io", version: "v1alpha1", resource: "rollouts", kind: "Rollout" },
  {
    spec: { properties: { restartAt: { type: "string", format: "date-time" }, paused: { type: "boolean" } } },
    status: {},
  },
);

/** So that a restarted Deployment shows a replica set of its own. */
export const WORKLOAD_CONTROLLERS = ["deployment-controller"];

const VERSIONS: Readonly<Record<RolloutTarget["kind"], string>> = {
  Deployment: "apps/v1",
  StatefulSet: "apps/v1",
  DaemonSet: "apps/v1",
  "argo.Rollout": "argoproj.io/v1alpha1",
};

export interface Workload {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** A workload without a pod, as the team that owns it applies it. */
export function aWorkload(namespace: string, { kind, name }: RolloutTarget, spec: object = {}): Workload {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: "app", image: "app:1" }] } };
  return {
    apiVersion: VERSIONS[kind],
    kind: kind === "argo.Rollout" ? "Rollout" : kind,
    metadata: { namespace, name },
    spec: {
      ...(kind === "DaemonSet" ? {} : { replicas: 0 }),
      ...(kind === "StatefulSet" ? { serviceName: name } : {}),
      selector: { matchLabels: labels },
      template,
      ...spec,
    },
  };
}
