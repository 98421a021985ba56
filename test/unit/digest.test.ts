import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { describe, it } from "node:test";
import {
  digestKey,
  digestOf,
  fingerprint,
  isOfKey,
  macMessage,
  sameDigest,
  secretMac,
  shortDigest,
} from "../../lib/digest.ts";
import { SecretValue } from "../../lib/secret-value.ts";

const BYTES = Buffer.alloc(32, 1);
const KEY = digestKey(BYTES);
const OTHER = digestKey(Buffer.alloc(32, 2));
const DATA = new Map([
  ["b", SecretValue.of("two")],
  ["a", SecretValue.of("one")],
]);
const MESSAGE = '{"a":"b25l","b":"dHdv"}';

describe("digests of secret data", () => {
  it("are of keys in byte order and values in base64", () => {
    assert.equal(macMessage(DATA), MESSAGE);
    assert.equal(macMessage(new Map()), "{}");
    // UTF-16 puts the emoji first, bytes put it last.
    const names = ["\u{1f511}", "\uffee", "é", "Z", "a"];
    const keys = [...macMessage(new Map(names.map((name) => [name, SecretValue.of("")]))).matchAll(/"([^"]+)":/g)];
    assert.deepEqual(
      keys.map(([, name]) => name),
      ["Z", "a", "é", "\uffee", "\u{1f511}"],
    );
  });

  it("are HMACs, by our key with its id, or by the cluster's", () => {
    const hmac = createHmac("sha256", BYTES).update(MESSAGE).digest("base64");
    assert.equal(digestOf(KEY, DATA), `${KEY.id}:${hmac}`);
    assert.equal(secretMac(BYTES, DATA), hmac);
  });

  it("lease-table 25: carry the id of their key, by which others are told apart", () => {
    const id = createHash("sha256").update("keyferry digest key id").update(BYTES).digest("hex").slice(0, 12);
    assert.deepEqual(KEY, { id, bytes: BYTES });
    assert.equal(isOfKey(KEY, digestOf(KEY, DATA)), true);
    assert.equal(isOfKey(OTHER, digestOf(KEY, DATA)), false);
    assert.equal(isOfKey(KEY, `${KEY.id}0:`), false);
  });

  it("are equal as a whole or not at all", () => {
    assert.equal(sameDigest("abc", "abc"), true);
    assert.equal(sameDigest("abc", "abd"), false);
    assert.equal(sameDigest("abc", "ab"), false);
  });

  it("are shown by their first eight characters, without the key's id", () => {
    assert.equal(shortDigest("key:abcdefghij"), "abcdefgh");
  });
});

describe("a fingerprint", () => {
  it("stays what it was: rows and tokens are found by it", () => {
    const of = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 24);
    assert.equal(fingerprint("kv", "ä"), of("2:kv2:ä"));
    assert.equal(fingerprint(), of(""));
  });

  it("tells parts apart that run into each other, whatever stands in them", () => {
    const all = [["a", "b"], ["ab"], ["a:b"], ["a", "", "b"], ["", "ab"], ["a1:b"], ["1:a1:b"], ["b", "a"]];
    assert.equal(new Set(all.map((parts) => fingerprint(...parts))).size, all.length);
  });
});
