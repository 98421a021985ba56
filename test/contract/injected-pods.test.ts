import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { InjectorOverrides } from "../../lib/injector-settings.ts";
import { type Cluster, startCluster } from "../harness/index.ts";
import { INJECTED } from "../unit/injector/pods/all.ts";
import { aPod, patchedPod, patchOf, reviewOf, type TestPod } from "../unit/injector/support.ts";

/**
 * What the injector makes of Pods, on a real API server: it applies each patch, and accepts each Pod. A PodTemplate
 * holds the Pod as it was, because no patch may add containers to a Pod that exists.
 */

const NAMESPACE = "shop";
const TEMPLATES = `/api/v1/namespaces/${NAMESPACE}/podtemplates`;
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const JSON_PATCH = { contentType: "application/json-patch+json" };

interface Template {
  readonly template: TestPod;
  readonly message?: string;
}

describe("kube-apiserver and the injector", () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ name: "injected" });
    const metadata = { namespace: NAMESPACE };
    await cluster.apply([
      { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { ...metadata, name: "shop" } },
    ]);
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  /** The template as the API server stores it: with defaults, and quantities in their usual form. */
  async function stored(name: string, template: TestPod): Promise<TestPod> {
    const body = { apiVersion: "v1", kind: "PodTemplate", metadata: { name }, template };
    const answer = await cluster.request<Template>("POST", TEMPLATES, body);
    assert.equal(answer.status, 201, answer.text);
    return answer.body.template;
  }

  async function isAccepted(pod: TestPod): Promise<void> {
    const body = { apiVersion: "v1", kind: "Pod", ...pod };
    const answer = await cluster.request("POST", `${PODS}?dryRun=All&fieldValidation=Strict`, body);
    assert.equal(answer.status, 201, answer.text);
  }

  it("agree about Pod Security: with a seccomp profile, the agent is as restricted as the level asks for", async () => {
    const namespace = "restricted";
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await cluster.apply([
      { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } },
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name: "shop" } },
    ]);
    const pod = aPod();
    for (const container of pod.spec.containers) {
      container.securityContext = {
        ...{ runAsUser: 7, runAsNonRoot: true, allowPrivilegeEscalation: false },
        ...{ capabilities: { drop: ["ALL"] }, seccompProfile: { type: "RuntimeDefault" } },
      };
    }
    const status = async (settings: InjectorOverrides) => {
      const body = { apiVersion: "v1", kind: "Pod", ...patchedPod(pod, reviewOf(pod, { settings })) };
      return (await cluster.request("POST", `/api/v1/namespaces/${namespace}/pods?dryRun=All`, body)).status;
    };
    assert.equal(await status({}), 403);
    assert.equal(await status({ seccompProfile: "RuntimeDefault" }), 201);
    assert.equal(await status({ seccompProfile: "RuntimeDefault", nativeSidecar: true, revokeOnShutdown: true }), 201);
  });

  for (const [at, { title, annotations, given, settings = {}, isImpossible }] of INJECTED.entries()) {
    if (isImpossible) continue;
    it(`apply the same patch and accept the Pod: ${title}`, async () => {
      const pod = aPod(annotations);
      given?.(pod);
      const outcome = reviewOf(pod, { settings });
      const ours = patchedPod(pod, outcome);
      await stored(`before-${at}`, pod);
      const operations = patchOf(outcome).map((one) => ({ ...one, path: `/template${one.path}` }));
      const theirs = await cluster.request<Template>("PATCH", `${TEMPLATES}/before-${at}`, operations, JSON_PATCH);
      assert.equal(theirs.status, 200, theirs.text);
      assert.deepEqual(theirs.body.template, await stored(`after-${at}`, ours));
      await isAccepted(ours);
    });
  }
});
