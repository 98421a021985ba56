import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GROUPS } from "../../../lib/injector/annotations.ts";
import { review } from "../../../lib/injector/review.ts";
import { injectorSettings } from "../../../lib/injector-settings.ts";
import { aPod, patchedPod, patchOf, reviewOf, type TestPod } from "./support.ts";

const settings = injectorSettings({ vaultAddress: "https://vault.example.com" });

describe("review", () => {
  it("answers 400 to what is no review", () => {
    const request = { uid: "1", object: {} };
    const inputs = [
      ...[undefined, null, 1, "x", [], {}],
      { apiVersion: "admission.k8s.io/v1", kind: "Pod", request },
      { apiVersion: "admission.k8s.io/v2", kind: "AdmissionReview", request },
      { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" },
      { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: [] },
      { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: { ...request, uid: "" } },
      { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: { ...request, uid: 1 } },
      { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: { ...request, namespace: {} } },
    ];
    for (const input of inputs) {
      const { status, result, body, reasons, isDryRun } = review(input, settings);
      assert.deepEqual([status, result, reasons.length, isDryRun], [400, "bad", 1, false]);
      assert.deepEqual(body.response, { uid: "", allowed: false, status: { code: 400, message: reasons[0] } });
    }
  });

  it("answers in the version of the question", () => {
    for (const apiVersion of ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"]) {
      const { body } = reviewOf(aPod(), { apiVersion });
      assert.deepEqual(
        [body.apiVersion, body.kind, body.response.uid, body.response.allowed, body.response.patchType],
        [apiVersion, "AdmissionReview", "1-2-3", true, "JSONPatch"],
      );
    }
  });

  it("refuses what is no Pod", () => {
    for (const [pod, options] of [
      [null, {}],
      [[], {}],
      ["x", {}],
      [{ metadata: [] }, {}],
      [aPod(), { kind: "Deployment" }],
    ] as const) {
      const { result, body } = reviewOf(pod, options);
      assert.deepEqual([result, body.response.status?.code], ["refused", 400]);
    }
  });

  const untouched: readonly [string, TestPod, string?][] = [
    ["has no annotations", { ...aPod(), metadata: {} }],
    ["has no annotation of the injector", { ...aPod(), metadata: { annotations: { a: "b" } } }],
    ["asks for no agent", aPod({ "agent-inject": "false" })],
    ["has an empty agent-inject", aPod({ "agent-inject": "" })],
    ["runs", { ...aPod(), status: { phase: "Running" } }],
    ["has ended", { ...aPod(), status: { phase: "Succeeded" } }],
    ["has its agent", aPod({ "agent-inject-status": "injected" })],
    ["is updated", aPod(), "UPDATE"],
  ];
  for (const [title, pod, operation = "CREATE"] of untouched) {
    it(`leaves a Pod as it is that ${title}`, () => {
      const { result, body } = reviewOf(pod, { operation });
      assert.deepEqual([result, body.response], ["ignored", { uid: "1-2-3", allowed: true }]);
    });
  }

  it("injects a pending Pod", () => {
    assert.equal(reviewOf({ ...aPod(), status: { phase: "Pending" } }).result, "injected");
  });

  it("has one operation for each part, in the order of HashiCorp's injector", () => {
    const paths = patchOf(reviewOf(aPod())).map(({ op, path }) => `${op} ${path}`);
    assert.deepEqual(paths, [
      ...Array.from({ length: 3 }, () => "add /spec/volumes/-"),
      "add /spec/containers/0/volumeMounts/-",
      "add /spec/containers/1/volumeMounts/-",
      "add /spec/initContainers",
      "add /spec/containers/-",
      "add /metadata/annotations/vault.hashicorp.com~1agent-inject-status",
    ]);
  });

  it("gives the same patch for annotations in any order", () => {
    const pod = aPod({
      "agent-inject-secret-a": "kv/data/a",
      "secret-volume-path-a": "/a",
      "secret-volume-path-db": "/b",
      "auth-config-b": "1",
      "auth-config-a": "2",
      "agent-telemetry-disable-hostname": "true",
      "agent-telemetry-statsd-address": "a:1",
    });
    const reversed = Object.fromEntries(Object.entries(pod.metadata.annotations ?? {}).reverse());
    const other = { ...pod, metadata: { ...pod.metadata, annotations: reversed } };
    assert.deepEqual(reviewOf(other).body.response.patch, reviewOf(pod).body.response.patch);
  });

  it("warns of other mistakes of a Pod that it refuses, too", () => {
    const { body } = reviewOf(aPod({ "agent-run-as-user": "", "agent-imgae": "x" }));
    assert.deepEqual([body.response.allowed, body.response.warnings?.length], [false, 1]);
  });

  it("gives a Pod without volumes all of them", () => {
    const pod = aPod();
    delete pod.spec.volumes;
    const names = patchedPod(pod, reviewOf(pod)).spec.volumes?.map(({ name }) => name);
    assert.deepEqual(names, ["home-init", "home-sidecar", "vault-secrets"]);
  });

  it("injects no Pod twice", () => {
    const pod = aPod();
    assert.equal(reviewOf(patchedPod(pod, reviewOf(pod))).result, "ignored");
  });

  it("says for metrics and logs what was injected, where, and whether it is a dry run", () => {
    const of = (annotations: Readonly<Record<string, string>>) => reviewOf(aPod(annotations)).injection;
    assert.equal(of({}), "init_and_sidecar");
    assert.equal(of({ "agent-pre-populate": "false" }), "sidecar_only");
    assert.equal(of({ "agent-pre-populate-only": "true" }), "init_only");
    assert.equal(of({ "agent-pre-populate-only": "true", "agent-pre-populate": "false" }), undefined);
    const { namespace, generateName, isDryRun } = reviewOf(aPod());
    assert.deepEqual([namespace, generateName, isDryRun], ["shop", "shop-", false]);
    const named = { ...aPod(), metadata: { name: "shop-1" } };
    assert.equal(reviewOf(named).generateName, "shop-1");
    assert.equal(reviewOf({ ...aPod(), metadata: {} }).generateName, undefined);
    const request = { uid: "1", dryRun: true, object: aPod() };
    assert.equal(
      review({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request }, settings).isDryRun,
      true,
    );
  });

  it("says no value of an annotation", () => {
    const marks = Object.fromEntries(
      GROUPS.flatMap(({ prefix, annotations }) =>
        annotations.map((one) => [`${prefix}${one.name}${"of" in one ? "-some" : ""}`, "s3cr3t-mark \u001b[0m"]),
      ),
    );
    const pods = [
      aPod({ ...marks, "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/nonsense": "s3cr3t-mark" }),
      ...Object.entries(marks).map(([name, value]) => aPod({ [name]: value })),
    ];
    for (const pod of pods) {
      const { body, reasons } = reviewOf(pod);
      const said = JSON.stringify([reasons, body.response.warnings, body.response.status]);
      assert.ok(!said.includes("s3cr3t"), said);
    }
  });

  it("takes a configuration that just fits into a variable of the environment", () => {
    const lengthOf = (characters: number) => {
      const pod = aPod({ "agent-inject-template-db": "x".repeat(characters) });
      const outcome = reviewOf(pod);
      if (outcome.result !== "injected") return outcome.result;
      const agent = patchedPod(pod, outcome).spec.containers.at(-1);
      return `VAULT_CONFIG=${String(agent?.env?.find(({ name }) => name === "VAULT_CONFIG")?.value)}\0`.length;
    };
    let [fits, tooLong] = [90_000, 100_000];
    while (tooLong - fits > 1) {
      const middle = Math.floor((fits + tooLong) / 2);
      if (lengthOf(middle) === "refused") tooLong = middle;
      else fits = middle;
    }
    // Linux allows 131,072, and base64 grows by four.
    assert.equal(lengthOf(fits), 131_070);
  });

  it("tells at most sixteen problems of a refusal, and says of which request", () => {
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`error-on-missing-key-s${at}`, "maybe"]));
    const { reasons, body } = reviewOf(aPod(many));
    assert.equal(reasons.length, 17);
    assert.equal(reasons.at(-1), "and 4 more");
    assert.equal(body.response.uid, "1-2-3");
  });

  it("tells at most sixteen problems, each of them short", () => {
    const many = Array.from({ length: 2_000 }, (_, at) => [`tls-x${at}${"y".repeat(400)}`, ""] as const);
    const { body } = reviewOf(aPod(Object.fromEntries(many.slice(0, 500))));
    assert.equal(body.response.warnings?.length, 17);
    assert.ok(body.response.warnings?.every((one) => one.length <= 240));
  });
});
