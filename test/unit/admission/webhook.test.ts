import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import type { ServedClusters } from "../../../lib/admission/review.ts";
import { type FinishedReview, MAX_REVIEW_BYTES, webhook } from "../../../lib/admission/webhook.ts";
import type { ReviewOutcome } from "../../../lib/injector/review.ts";
import { keyHash, keyHashBytes, keyOf } from "../../../lib/injector-keys.ts";

const KEY = keyOf(randomBytes(32));
const OLD_KEY = keyOf(randomBytes(32));
const JSON_TYPE = "application/json";

interface Served {
  readonly finished: FinishedReview[];
  unknown: number;
  at(path: string): ReturnType<ReturnType<typeof webhook>["at"]>;
}

function serving(review: (input: unknown) => ReviewOutcome, keys: readonly string[] = [KEY]): Served {
  const clusters: ServedClusters = new Map([
    ["east", { keys: keys.map((key) => keyHashBytes(keyHash(key))), review }],
    ["west", { keys: [], review }],
  ]);
  const told: Served = {
    finished: [],
    unknown: 0,
    at: webhook({
      served: () => clusters,
      onFinished: (one) => void told.finished.push(one),
      onUnknownKey: () => void told.unknown++,
      elapsed: () => 0,
    }).at,
  };
  return told;
}

const ALLOWED: ReviewOutcome = {
  status: 200,
  body: { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: { uid: "u", allowed: true } },
  result: "ignored",
  isDryRun: false,
  reasons: [],
};

describe("the injector's webhook", () => {
  it("reviews at the path of a cluster and its key", () => {
    const inputs: unknown[] = [];
    const { at, finished } = serving((input) => {
      inputs.push(input);
      return ALLOWED;
    });
    const answer = at(`/c/east/${KEY}/mutate`)?.({
      method: "POST",
      contentType: "application/json; charset=UTF-8",
      body: Buffer.from('{"kind":"AdmissionReview"}'),
    });
    assert.deepEqual(answer, {
      status: 200,
      headers: { "content-type": JSON_TYPE },
      body: JSON.stringify(ALLOWED.body),
    });
    assert.deepEqual(inputs, [{ kind: "AdmissionReview" }]);
    assert.deepEqual(
      finished.map(({ cluster, result }) => [cluster, result]),
      [["east", "ignored"]],
    );
  });

  it("takes two keys while one is replaced", () => {
    const { at } = serving(() => ALLOWED, [KEY, OLD_KEY]);
    assert.ok(at(`/c/east/${KEY}/mutate`));
    assert.ok(at(`/c/east/${OLD_KEY}/mutate`));
  });

  it("answers nothing without the key of that cluster, and counts who tries", () => {
    const served = serving(() => ALLOWED);
    const other = keyOf(randomBytes(32));
    const paths = [`/c/east/${other}/mutate`, `/c/west/${KEY}/mutate`, `/c/none/${KEY}/mutate`];
    for (const path of paths) assert.equal(served.at(path), undefined, path);
    assert.equal(served.unknown, paths.length);
    for (const key of [`${KEY}x`, KEY.slice(1), "+", "%2e"]) {
      assert.equal(served.at(`/c/east/${key}/mutate`), undefined, key);
    }
    assert.equal(served.unknown, paths.length + 4);
    served.unknown = paths.length;
    const strange = [
      "",
      "/",
      "/mutate",
      `/c/east/${KEY}`,
      `/c/east/${KEY}/mutate/`,
      `/c/east/${"k".repeat(65)}/mutate`,
    ];
    for (const path of [...strange, `/C/east/${KEY}/mutate`, `/c/../${KEY}/mutate`, "/c/east//mutate"]) {
      assert.equal(served.at(path), undefined, path);
    }
    assert.equal(served.unknown, paths.length);
    // The hash of no key is no key: it is 32 bytes of zero.
    assert.equal(served.at(`/c/west/${keyOf(Buffer.alloc(32))}/mutate`), undefined);
  });

  it("refuses what is no review before it looks at it", () => {
    const { at, finished } = serving(() => assert.fail("it is not to be reviewed"));
    const review = at(`/c/east/${KEY}/mutate`) ?? assert.fail();
    const body = Buffer.from("{}");
    const status = (request: Partial<Parameters<typeof review>[0]>): number =>
      review({ method: "POST", contentType: JSON_TYPE, body, ...request }).status;
    assert.equal(status({ method: "GET" }), 405);
    assert.deepEqual(finished, [], "keyferry itself asks so whether its key is known");
    assert.equal(status({ method: "PUT" }), 405);
    assert.equal(status({ contentType: undefined }), 415);
    assert.equal(status({ contentType: "application/json; charset=latin1" }), 415);
    assert.equal(status({ contentType: "text/plain" }), 415);
    assert.equal(status({ body: undefined }), 413);
    assert.equal(status({ body: Buffer.from("") }), 400);
    assert.equal(status({ body: Buffer.from("{") }), 400);
    assert.equal(status({ body: Buffer.from([0x22, 0xff, 0x22]) }), 400);
    assert.equal(status({ body: Buffer.from("[".repeat(200)) }), 400);
    assert.equal(status({ body: Buffer.from(`[${"0,".repeat(300_000)}0]`) }), 400);
    assert.deepEqual([...new Set(finished.map(({ result }) => result))], ["bad"]);
  });

  it("answers a bug with 500 and no word of the pod, never with half a patch", () => {
    const { at, finished } = serving(() => {
      throw new Error("s3cr3t");
    });
    const answer = at(`/c/east/${KEY}/mutate`)?.({ method: "POST", contentType: JSON_TYPE, body: Buffer.from("{}") });
    assert.equal(answer?.status, 500);
    assert.doesNotMatch(JSON.stringify(answer), /s3cr3t/);
    assert.deepEqual(
      finished.map(({ result }) => result),
      ["crashed"],
    );
  });

  it("has room for a pod of the largest size", () => assert.ok(MAX_REVIEW_BYTES >= 2 * 1.5 * 1_024 * 1_024));
});
