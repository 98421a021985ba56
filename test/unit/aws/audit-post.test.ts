import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { answerPost, type PostDeps } from "../../../functions/wiring/audit-post.ts";
import { parseEnvelope } from "../../../lib/aws/inlet-envelopes.ts";
import { MINUTE_MS } from "../../../lib/clock.ts";
import { SyncError } from "../../../lib/errors.ts";
import { acceptedPosts, signPost } from "../../../lib/inlets/signed-post.ts";
import { type AuditScene, anAudit } from "./audit-scene.ts";
import { type UrlRequest, urlEvent } from "./inlet-events.ts";

const KEY = "a key of thirty-two characters!!";
const FORMER = "the key that was in use before it";
const NOW = Date.UTC(2030, 0, 1);
const SIGNAL = new AbortController().signal;

interface PostScene {
  readonly scene: AuditScene;
  readonly remembered: Map<string, number>;
  now: number;
  keys: readonly string[];
  failure?: Error;
  post(request: UrlRequest): Promise<number>;
  /** What the last answer said. */
  said: string;
  /** As another process, which remembers nothing. */
  elsewhere(request: UrlRequest): Promise<number>;
}

function aPost(): PostScene {
  const scene = anAudit();
  const remembered = new Map<string, number>();
  const depsOf = (): PostDeps => {
    const accepted = acceptedPosts();
    return {
      ...scene,
      clock: () => made.now,
      acceptedOf: () => accepted,
      keyTexts: async () => {
        if (made.failure) throw made.failure;
        return made.keys;
      },
      posts: {
        isKnown: async (vault, id) => remembered.has(`${vault}/${id}`),
        remember: async (vault, id, until) => void remembered.set(`${vault}/${id}`, until),
      },
    };
  };
  const postTo = (deps: PostDeps) => async (request: UrlRequest) => {
    const envelope = parseEnvelope(urlEvent(request));
    if (envelope.kind !== "post") return assert.fail(envelope.kind);
    const { statusCode, body, headers } = await answerPost(deps, envelope.request, SIGNAL);
    assert.equal(headers["content-type"], "application/json");
    assert.equal(typeof JSON.parse(body), "object");
    made.said = body;
    return statusCode;
  };
  const own = depsOf();
  const made: PostScene = {
    ...{ scene, remembered, said: "", now: NOW, keys: [`${KEY}\n${FORMER}\n`] },
    post: postTo(own),
    elsewhere: (request) => postTo(depsOf())(request),
  };
  return made;
}

function signed(text: string | Buffer, { key = KEY, now = NOW, path = "/main" } = {}): UrlRequest {
  const body = Buffer.from(text);
  return { path, body, headers: signPost(body, { key: Buffer.from(key), now }) };
}

describe("a POST of audit lines", () => {
  it("is answered with 200 once its lines are taken, plain or gzip", async () => {
    const { scene, post } = aPost();
    assert.equal(await post(signed("a\nb\n")), 200);
    assert.equal(await post(signed(gzipSync("c\n"))), 200);
    assert.deepEqual(scene.taken, { main: ["a", "b", "c"] });
  });

  it("is signed with the key or, while it is rotated, with the former one", async () => {
    const made = aPost();
    assert.equal(await made.post(signed("a", { key: FORMER })), 200);
    // A secret has each in a version of its own.
    made.keys = [KEY, FORMER];
    assert.equal(await made.post(signed("b", { key: FORMER })), 200);
    made.keys = [KEY];
    assert.equal(await made.post(signed("c", { key: FORMER })), 401);
  });

  it("is refused when it is unsigned, of another time, forged or for no Vault, all with one answer to who guesses", async () => {
    const made = aPost();
    const { scene, post } = made;
    const good = signed("a");
    assert.equal(await post({ path: "/main", body: Buffer.from("a") }), 401);
    assert.equal(await post(signed("a", { now: NOW - 5 * MINUTE_MS - 1_000 })), 401);
    assert.equal(await post(signed("a", { key: "some other key of many characters" })), 401);
    assert.equal(await post({ ...good, body: Buffer.from("b") }), 401);
    assert.equal(await post({ ...good, path: "/other" }), 401);
    assert.deepEqual([scene.taken, scene.counts], [{}, { keyferry_inlet_posts_refused_total: 5 }]);
    for (const request of [{ path: "/main" }, signed("a", { now: 0 }), signed("a", { key: "x".repeat(40) })]) {
      const answers = [];
      for (const path of ["/main", "/other", "/"]) answers.push([await post({ ...request, path }), made.said]);
      assert.equal(new Set(answers.map(String)).size, 1, "nobody finds out which Vaults there are");
    }
  });

  it("is taken once, by any process", async () => {
    const { scene, post, elsewhere, remembered } = aPost();
    assert.equal(await post(signed("a")), 200);
    assert.equal(await post(signed("a")), 409);
    assert.equal(await elsewhere(signed("a")), 409);
    assert.deepEqual(scene.taken, { main: ["a"] });
    // Longer than its signature is good for, whatever the clock of the sender.
    assert.deepEqual([...remembered.values()], [NOW + 10 * MINUTE_MS]);
  });

  it("may come again when its work failed", async () => {
    const { scene, post } = aPost();
    scene.failure = new SyncError("STORE_UNAVAILABLE", "no answer");
    assert.equal(await post(signed("a")), 503);
    delete scene.failure;
    assert.equal(await post(signed("a")), 200);
  });

  it("is to be sent again while its first copy is at work, which may still fail", async () => {
    const made = aPost();
    const gate = Promise.withResolvers<void>();
    made.scene.gate = gate.promise;
    const first = made.post(signed("a"));
    assert.equal(await made.post(signed("a")), 503);
    assert.match(made.said, /at work/);
    gate.reject(new SyncError("STORE_UNAVAILABLE", "no answer"));
    assert.equal(await first, 503);
    delete made.scene.gate;
    assert.deepEqual([await made.post(signed("a")), await made.post(signed("a"))], [200, 409]);
  });

  it("tells that its sender lost lines", async () => {
    const { scene, post } = aPost();
    const body = Buffer.from("a");
    const headers = signPost(body, { key: Buffer.from(KEY), now: NOW, missed: "overflow" });
    const { "x-keyferry-missed": _, ...without } = headers;
    assert.equal(await post({ path: "/main", body, headers: without }), 401);
    assert.equal(await post({ path: "/main", body, headers }), 200);
    assert.deepEqual(scene.missed, [["main", "overflow"]]);
  });

  it("has a method and limits", async () => {
    const { post } = aPost();
    assert.equal(await post({ path: "/main", method: "GET" }), 405);
    assert.equal(await post(signed("x".repeat(6 * 1_024 * 1_024 + 1))), 413);
    const bomb = signed(gzipSync(Buffer.alloc(65 * 1_024 * 1_024)));
    assert.equal(await post(bomb), 413);
    assert.equal(await post(bomb), 413, "it is not taken for delivered");
    assert.equal(await post(signed(gzipSync("a".repeat(1_000)).subarray(0, 20))), 400);
    const encoded = (encoding: string) => {
      const request = signed("a");
      return { ...request, headers: { ...request.headers, "content-encoding": encoding } };
    };
    assert.equal(await post(encoded("gzip")), 400);
    assert.equal(await post(encoded("zstd")), 415);
    assert.equal(await post(encoded("identity")), 200);
  });

  it("is answered with 503 while the keys can't be read, and with no more than the code", async () => {
    const made = aPost();
    made.failure = new SyncError("STORE_DENIED", "parameter /x refuses us: allow ssm:GetParameter");
    assert.equal(await made.post(signed("a")), 503);
    delete made.failure;
    made.keys = ["short"];
    assert.equal(await made.post(signed("a")), 503);
    const [first, second] = made.scene.errors;
    assert.deepEqual([first?.[0], first?.[1].code], ["post-failed", "STORE_DENIED"]);
    assert.match(String(second?.[1].message), /parameter \/keyferry-prod\/post\/main holds no keys .* for Vault main/);
  });
});
