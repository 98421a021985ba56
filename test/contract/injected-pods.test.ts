import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, startCluster } from "../harness/index.ts";
import { INJECTED } from "../unit/injector/pods/all.ts";
import { aPod, patchedPod, patchOf, reviewOf, type TestPod } from "../unit/injector/support.ts";

/**
 * What the injector makes of Pods, on a real API server: it applies each patch, and accepts each Pod. A PodTemplate
 * holds the Pod as it was, because no patch may add containers to a Pod that exists.
 */

const NAMESPACE = "shop";
const TEMPLATES = `/api/v1/namespaces/${NAMESPACE}/podtemplates`;
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
    const path = `/api/v1/namespaces/${NAMESPACE}/pods?dryRun=All&fieldValidation=Strict`;
    const answer = await cluster.request<{ message?: string }>("POST", path, body);
    assert.equal(answer.status, 201, answer.text);
  }

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
