import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { RolloutTarget } from "../../lib/ports/workloads.ts";
import { type Cluster, type KubeObject, startCluster } from "../harness/index.ts";
import { aWorkload } from "../workloads.ts";
import { aNamespace, endsOf, patient, type TestApis } from "./kubernetes-fixtures.ts";

const CLUSTER = "workloads";
const NS = "pay";
const CONTROLLERS = ["deployment", "replicaset", "statefulset", "daemonset"].map((kind) => `${kind}-controller`);
const NODE = "node-1";
const MERGE = { contentType: "application/merge-patch+json" };
const RESTARTED_AT = "vso.secrets.hashicorp.com/restartedAt";

type Pod = KubeObject & { readonly spec: { readonly nodeName?: string } };

/** Kubernetes' own controllers write the status; the test acts as scheduler and kubelet. */
describe("a workload is complete", () => {
  let cluster: Cluster;
  let apis: TestApis;

  before(async () => {
    cluster = await startCluster({ name: CLUSTER, controllers: CONTROLLERS });
    apis = endsOf(cluster);
    await aNamespace(cluster, NS);
    await cluster.apply({ apiVersion: "v1", kind: "Node", metadata: { name: NODE } });
    // The API server taints each new node, since it is not ready.
    await cluster.request("PATCH", `/api/v1/nodes/${NODE}`, { spec: { taints: null } }, MERGE);
    await cluster.waitFor("its pods' account", () =>
      cluster.get({ apiVersion: "v1", kind: "ServiceAccount", namespace: NS, name: "default" }),
    );
  });
  after(async () => {
    apis?.clients.close();
    await cluster?.[Symbol.asyncDispose]();
  });

  const isComplete = async (target: RolloutTarget) =>
    (await apis.rollouts.get({ cluster: CLUSTER, namespace: NS, ...target }, patient()))?.isComplete;
  const restart = (target: RolloutTarget) =>
    cluster.waitFor("the restart", async () => {
      const named = { cluster: CLUSTER, namespace: NS, ...target };
      const { resourceVersion } = (await apis.rollouts.get(named, patient())) ?? assert.fail();
      return apis.rollouts.restart(named, resourceVersion, Date.now(), patient());
    });
  const podsOf = async ({ name }: RolloutTarget): Promise<readonly Pod[]> => {
    const path = `/api/v1/namespaces/${NS}/pods?labelSelector=app%3D${name}`;
    return (await cluster.request<{ items: Pod[] }>("GET", path)).body.items;
  };
  const becomeReady = async (pod: Pod): Promise<void> => {
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const conditions = [{ type: "Ready", status: "True", lastTransitionTime: now }];
    const path = `/api/v1/namespaces/${NS}/pods/${pod.metadata.name}/status`;
    await cluster.request("PATCH", path, { status: { phase: "Running", conditions } }, MERGE);
  };
  /** Ends pods that are being deleted, and starts the others, until the workload is complete. */
  const runPods = (target: RolloutTarget) =>
    cluster.waitFor("all pods to be replaced", async () => {
      for (const pod of await podsOf(target)) {
        if (pod.metadata.deletionTimestamp === undefined) await becomeReady(pod);
        else {
          const path = `/api/v1/namespaces/${NS}/pods/${pod.metadata.name}?gracePeriodSeconds=0`;
          await cluster.request("DELETE", path);
        }
      }
      return isComplete(target);
    });
  const templatesOf = async (target: RolloutTarget) =>
    new Set((await podsOf(target)).map(({ metadata }) => metadata.annotations?.[RESTARTED_AT] ?? ""));

  const kinds = [
    { kind: "Deployment", spec: { replicas: 2 }, pods: 2 },
    { kind: "StatefulSet", spec: { replicas: 2 }, pods: 2 },
    { kind: "DaemonSet", spec: {}, pods: 1 },
  ] as const;
  for (const { kind, spec, pods } of kinds) {
    it(`${kind}: when all its pods have the present template and are available`, async () => {
      const target = { kind, name: kind.toLowerCase() };
      await cluster.apply(aWorkload(NS, target, spec));
      await cluster.waitFor("its first pod", async () => (await podsOf(target)).length > 0);
      assert.equal(await isComplete(target), false, "no pod is ready");
      await runPods(target);
      assert.equal((await podsOf(target)).length, pods);
      await restart(target);
      assert.equal(await isComplete(target), false, "its pods are those from before");
      await cluster.waitFor("a new pod", async () => [...(await templatesOf(target))].some((time) => time !== ""));
      assert.equal(await isComplete(target), false, "the new pod is not ready");
      await runPods(target);
      const templates = await templatesOf(target);
      assert.ok(templates.size === 1 && !templates.has(""), "no pod from before is there");
    });
  }

  it("unknown, when its pods wait until someone deletes them", async () => {
    for (const kind of ["StatefulSet", "DaemonSet"] as const) {
      const target = { kind, name: `${kind.toLowerCase()}-on-delete` };
      const spec = { ...(kind === "StatefulSet" ? { replicas: 1 } : {}), updateStrategy: { type: "OnDelete" } };
      await cluster.apply(aWorkload(NS, target, spec));
      await cluster.waitFor("its controller", async () => (await isComplete(target)) === undefined);
    }
  });

  it("without any pod", async () => {
    for (const kind of ["Deployment", "StatefulSet"] as const) {
      const target = { kind, name: `${kind.toLowerCase()}-of-none` };
      await cluster.apply(aWorkload(NS, target, { replicas: 0 }));
      await cluster.waitFor("its controller", () => isComplete(target));
      await restart(target);
      await cluster.waitFor("its controller", () => isComplete(target));
    }
  });
});
