import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { reviewerOf } from "../../../cli/injector/settings.ts";
import { type ReviewAnswer, webhook } from "../../../lib/admission/webhook.ts";
import { keyHash, keyHashBytes, keyOf } from "../../../lib/injector-keys.ts";
import { injectorSettings } from "../../../lib/injector-settings.ts";
import { aPod, reviewOf, type TestContainer, type TestPod } from "./support.ts";

/**
 * A review takes at most 50 ms of CPU. Times differ from machine to machine, so these are the limits of its work; what
 * the most expensive reviews then take is a figure of `npm run bench -- --only injector`.
 */

function served(): (body: Buffer) => ReviewAnswer {
  const key = keyOf(randomBytes(32));
  const review = reviewerOf(injectorSettings({ vaultAddress: "https://vault.example.com" }));
  const { at } = webhook({
    served: () => new Map([["one", { keys: [keyHashBytes(keyHash(key))], review }]]),
    onFinished: () => undefined,
    onUnknownKey: () => undefined,
    elapsed: () => 0,
  });
  return (body) =>
    at(`/c/one/${key}/mutate`)?.({ method: "POST", contentType: "application/json", body }) ?? assert.fail();
}

function times<T>(count: number, one: (at: number) => T): T[] {
  return Array.from({ length: count }, (_, at) => one(at));
}

function secrets(count: number): Record<string, string> {
  return Object.fromEntries(times(count, (at) => [`agent-inject-secret-s${at}`, "p"]));
}

function withContainers(pod: TestPod, count: number, rest: Partial<TestContainer> = {}): TestPod {
  const containers = times(count - pod.spec.containers.length, (at) => ({ name: `c${at}`, ...rest }));
  const own = pod.spec.containers.map((one) => ({ ...one, ...rest }));
  return { ...pod, spec: { ...pod.spec, containers: [...own, ...containers] } };
}

/** Code and first reason of a refusal; undefined: the pod is injected. */
function refusal(pod: TestPod): readonly [number | undefined, string | undefined] | undefined {
  const { body, reasons, result } = reviewOf(pod);
  return result === "injected" ? undefined : [body.response.status?.code, reasons[0]];
}

describe("the work of a review", () => {
  const review = served();
  it("ends at 40,000 values of JSON", () => {
    const body = (count: number): Buffer => Buffer.from(JSON.stringify({ padding: times(count, () => 1) }));
    assert.match(review(body(39_990)).body, /must be an AdmissionReview/);
    const { status, body: said } = review(body(40_000));
    assert.deepEqual([status, said], [400, "the AdmissionReview has more than 40000 values\n"]);
  });

  it("ends at 5,000 annotations", () => {
    const many = (count: number) => aPod(Object.fromEntries(times(count, (at) => [`example.com/${at}`, ""])));
    assert.equal(refusal(many(4_990)), undefined);
    assert.deepEqual(refusal(many(5_000)), [400, "metadata.annotations has more than 5000 annotations"]);
  });

  it("ends at 10,000 items in the lists of a pod", () => {
    const many = (count: number) => withContainers(aPod({ "agent-inject-containers": "web" }), count);
    assert.equal(refusal(many(9_990)), undefined);
    assert.deepEqual(refusal(many(10_000)), [400, "the pod has more than 10000 items in its lists"]);
  });

  it("ends at 1,000 secrets", () => {
    assert.match(refusal(aPod(secrets(1_000)))?.[1] ?? "", /declare more than 1000/);
    assert.match(refusal(aPod(secrets(900)))?.[1] ?? "", /the agent's configuration takes/);
  });

  it("ends at the texts that the agent's configuration holds, before it is made", () => {
    const template = (length: number) => aPod({ "agent-inject-template-db": "x".repeat(length) });
    assert.equal(refusal(template(90_000)), undefined);
    assert.deepEqual(refusal(template(98_300)), [
      422,
      "secrets: their paths, files and templates take more than 98294 characters, which is all that the agent's configuration holds: use template files",
    ]);
    // Each secret has the path of its volume.
    const below = (path: number) => aPod({ ...secrets(99), "secret-volume-path": `/${"x".repeat(path)}` });
    assert.match(refusal(below(1_000))?.[1] ?? "", /take more than 98294 characters/);
    assert.equal(refusal(below(500)), undefined);
    for (const name of ["agent-inject-file", "agent-inject-command", "agent-template-left-delim"]) {
      assert.match(refusal(aPod({ [`${name}-db`]: "x".repeat(98_300) }))?.[1] ?? "", /take more than/, name);
    }
  });

  it("ends at 4,000 mounts, with one for each container and each path", () => {
    const each = withContainers(aPod(), 3_998);
    assert.equal(refusal(each), undefined);
    const message = "pod: needs more than 4000 mounts: use fewer values of secret-volume-path";
    assert.deepEqual(refusal(withContainers(aPod(), 3_999)), [422, message]);
    const init = times(100, (at) => ({ name: `i${at}` }));
    assert.deepEqual(refusal({ ...each, spec: { ...each.spec, initContainers: init } }), [422, message]);
    const path = { "secret-volume-path-s0": "/other", "agent-inject-secret-s0": "p" };
    assert.equal(refusal(withContainers(aPod(path), 1_998)), undefined);
    assert.deepEqual(refusal(withContainers(aPod(path), 1_999)), [422, message]);
  });

  it("ends at 1.5 MiB of what is added to containers: paths, commands, copied mounts", () => {
    const message = /^pod: would get more than 1572864 bytes of mounts and commands/;
    const long = (count: number) => withContainers(aPod({ "secret-volume-path": `/${"x".repeat(10_000)}` }), count);
    assert.equal(refusal(long(100)), undefined);
    assert.match(refusal(long(160))?.[1] ?? "", message);
    const wide = withContainers(aPod({ "secret-volume-path": `/${"\u4e16".repeat(10_000)}` }), 60);
    assert.match(refusal(wide)?.[1] ?? "", message, "bytes, not characters");
    const variables = (count: number) =>
      withContainers(
        aPod({ ...secrets(99), "keyferry.dev/agent-env-s7": "true", "agent-inject-file-s7": "x".repeat(900) }),
        count,
        {
          command: ["/bin/app"],
          volumeMounts: aPod().spec.containers[0]?.volumeMounts ?? [],
        },
      );
    assert.equal(refusal(variables(1_000)), undefined);
    assert.match(refusal(variables(2_000))?.[1] ?? "", message);
    const copied = (length: number): TestPod => {
      const pod = aPod({ "agent-copy-volume-mounts": "web" });
      pod.spec.containers[0]?.volumeMounts?.push({ name: "x", mountPath: `/${"x".repeat(length)}` });
      return pod;
    };
    assert.equal(refusal(copied(700_000)), undefined);
    assert.match(refusal(copied(800_000))?.[1] ?? "", message);
  });
});
