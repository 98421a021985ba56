import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import {
  acceptedPosts,
  checkPost,
  isBearer,
  MISSED_HEADER,
  type Post,
  postKeys,
  SIGNATURE_HEADER,
  signPost,
  TIMESTAMP_HEADER,
} from "../../../lib/inlets/signed-post.ts";
import type { MissedReason } from "../../../lib/ports/inlet.ts";

const KEY = Buffer.from("a key of the inlet of thirty-two!");
const NOW = 1_800_000_000_500;
const BODY = Buffer.from('{"type":"response"}\n');

function aPost(options: { key?: Buffer; at?: number; missed?: MissedReason; body?: Buffer } = {}): Post {
  const { key = KEY, at = NOW, missed, body = BODY } = options;
  const headers = signPost(body, { key, now: at, ...(missed === undefined ? {} : { missed }) });
  return {
    timestamp: headers[TIMESTAMP_HEADER],
    signature: headers[SIGNATURE_HEADER],
    missed: headers[MISSED_HEADER],
    body,
  };
}

function check(post: Post, options: { keys?: readonly Buffer[]; now?: number } = {}) {
  return checkPost(post, { keys: [KEY], now: NOW, ...options, accepted: acceptedPosts() });
}

describe("a signed POST", () => {
  it("is accepted as the documentation defines it", () => {
    const timestamp = "1800000000";
    const hex = createHmac("sha256", KEY).update(`${timestamp}.`).update(BODY).digest("hex");
    const post = { timestamp, signature: `sha256=${hex}`, missed: undefined, body: BODY };
    assert.ok(typeof check(post) === "object");
  });

  it("is accepted with a former key", () => {
    assert.ok(typeof check(aPost(), { keys: [Buffer.alloc(32), KEY] }) === "object");
  });

  it("may say that lines are missing", () => {
    const checked = check(aPost({ missed: "overflow" }));
    assert.equal(typeof checked === "object" && checked.missed, "overflow");
  });

  it("is refused when anything of it was changed", () => {
    const post = aPost();
    const changed: readonly Partial<Post>[] = [
      { body: Buffer.from('{"type":"request"}\n') },
      { timestamp: String(Number(post.timestamp) + 1) },
      { timestamp: `0${post.timestamp}` },
      { signature: `sha256=${"0".repeat(64)}` },
      { missed: "overflow" },
    ];
    for (const change of changed) assert.equal(check({ ...post, ...change }), "forged", JSON.stringify(change));
    assert.equal(check({ ...aPost({ missed: "overflow" }), missed: undefined }), "forged");
    assert.equal(check(aPost({ key: Buffer.alloc(32) })), "forged");
    assert.equal(check(post, { keys: [] }), "forged");
  });

  it("is refused when a header is missing or malformed", () => {
    const post = aPost();
    const changed: readonly Partial<Post>[] = [
      { timestamp: undefined },
      { signature: undefined },
      { timestamp: "" },
      { timestamp: "1e9" },
      { timestamp: "-1" },
      { timestamp: "1".repeat(13) },
      { signature: post.signature?.slice("sha256=".length) },
      { signature: `${post.signature}0` },
      { signature: "sha256=zz" },
      { missed: "anything" },
    ];
    for (const change of changed) assert.equal(check({ ...post, ...change }), "unsigned", JSON.stringify(change));
  });

  it("is refused more than five minutes before or after its time", () => {
    const second = Math.floor(NOW / SECOND_MS) * SECOND_MS;
    for (const off of [-5 * MINUTE_MS, 5 * MINUTE_MS]) {
      assert.ok(typeof check(aPost({ at: second + off }), { now: second }) === "object");
      assert.equal(check(aPost({ at: second + off + Math.sign(off) * SECOND_MS }), { now: second }), "stale");
    }
  });

  it("is accepted once, in whatever case its signature is written", () => {
    const accepted = acceptedPosts();
    const options = { keys: [KEY], accepted, now: NOW };
    const post = aPost();
    const first = checkPost(post, options);
    assert.ok(typeof first === "object");
    assert.equal(checkPost(post, options), "at-work");
    accepted.take(first.id);
    assert.equal(checkPost(post, options), "replayed");
    const upper = `sha256=${post.signature?.slice("sha256=".length).toUpperCase()}`;
    assert.equal(checkPost({ ...post, signature: upper }, options), "replayed");
    accepted.remove(first.id);
    assert.ok(typeof checkPost(post, options) === "object", "its work failed, so it may come again");
  });

  it("is remembered for as long as it would be accepted, and no longer", () => {
    const accepted = acceptedPosts(2);
    const options = { keys: [KEY], accepted };
    const at = (seconds: number) => NOW + seconds * SECOND_MS;
    assert.ok(typeof checkPost(aPost({ at: at(0) }), { ...options, now: at(0) }) === "object");
    assert.ok(typeof checkPost(aPost({ at: at(1) }), { ...options, now: at(1) }) === "object");
    assert.equal(checkPost(aPost({ at: at(2) }), { ...options, now: at(2) }), "busy");
    assert.equal(checkPost(aPost({ at: at(0) }), { ...options, now: at(299) }), "at-work");
    assert.ok(typeof checkPost(aPost({ at: at(301) }), { ...options, now: at(301) }) === "object");
  });
});

describe("keys and tokens of an inlet", () => {
  it("are long enough, one on each line", () => {
    const key = "k".repeat(32);
    assert.deepEqual(postKeys(`${key}\n\n  ${key}2\n`)?.map(String), [key, `${key}2`]);
    for (const text of ["", "\n", "short", `${key}\nshort`]) assert.equal(postKeys(text), undefined);
  });

  it("are compared as they are", () => {
    const tokens = [Buffer.from("one"), Buffer.from("two")];
    for (const header of ["Bearer one", "bearer  two"]) assert.ok(isBearer(header, tokens));
    for (const header of [undefined, "", "Bearer", "Bearer ", "one", "Basic one", "Bearer on", "Bearer one two"]) {
      assert.ok(!isBearer(header, tokens), header);
    }
    assert.ok(!isBearer("Bearer ", [Buffer.alloc(0)]));
  });
});
