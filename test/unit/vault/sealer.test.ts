import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { sealer } from "../../../lib/vault/sealer.ts";

const box = sealer([Buffer.alloc(32, 7)], randomBytes);
const text = Buffer.from("hvs.of-a-vault");

describe("a sealer", () => {
  it("opens what it sealed, for the same context", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string(), (bytes, context) => {
        assert.deepEqual(box.open(box.seal(Buffer.from(bytes), context).text, context), Buffer.from(bytes));
      }),
    );
  });

  it("shows nothing of it, and another text each time", () => {
    const [one, other] = [box.seal(text, "a"), box.seal(text, "a")];
    assert.notEqual(one.text, other.text);
    assert.notEqual(one.serial, other.serial);
    assert.equal(Buffer.from(one.text, "base64").includes(text), false);
  });

  it("does not open it for another context, with another key, or damaged anywhere", () => {
    const sealed = box.seal(text, "a");
    assert.equal(box.open(sealed.text, "b"), undefined);
    assert.equal(sealer([Buffer.alloc(32, 8)], randomBytes).open(sealed.text, "a"), undefined);
    const bytes = Buffer.from(sealed.text, "base64");
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
      assert.equal(box.open(damaged.toString("base64"), "a"), undefined, `byte ${at}`);
    }
    for (const cut of ["", "AAAA", sealed.text.slice(0, 36)]) assert.equal(box.open(cut, "a"), undefined);
  });

  it("makes nonce, tag and ciphertext, as texts of earlier versions are", () => {
    const fixed = sealer([Buffer.alloc(32, 7)], (count) => Buffer.alloc(count, 1));
    const { text: sealed, serial } = fixed.seal(text, "a");
    assert.equal(serial, "01".repeat(12));
    const nonce = Buffer.alloc(12, 1);
    const cipher = createCipheriv("aes-256-gcm", Buffer.alloc(32, 7), nonce).setAAD(Buffer.from("a"));
    const body = Buffer.concat([cipher.update(text), cipher.final()]);
    assert.equal(sealed, Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64"));
  });

  it("opens what is nonce and tag alone: nothing was sealed", () => {
    const sealed = box.seal(Buffer.alloc(0), "a");
    assert.equal(Buffer.from(sealed.text, "base64").length, 28);
    assert.deepEqual(box.open(sealed.text, "a"), Buffer.alloc(0));
  });

  it("does not take a part of a tag for the whole", () => {
    const nothing = Buffer.from(box.seal(Buffer.alloc(0), "a").text, "base64");
    for (const length of [16, 20, 24, 27]) {
      assert.equal(box.open(nothing.subarray(0, length).toString("base64"), "a"), undefined, `${length} bytes`);
    }
  });

  it("seals with its first key, and opens what any of them sealed", () => {
    const [now, former] = [Buffer.alloc(32, 9), Buffer.alloc(32, 7)];
    const both = sealer([now, former], randomBytes);
    assert.deepEqual(both.open(box.seal(text, "a").text, "a"), text);
    assert.deepEqual(sealer([now], randomBytes).open(both.seal(text, "a").text, "a"), text);
    assert.equal(box.open(both.seal(text, "a").text, "a"), undefined);
  });

  it("knows which of its keys sealed a text", () => {
    const both = sealer([Buffer.alloc(32, 9), Buffer.alloc(32, 7)], randomBytes);
    assert.equal(both.sealedBy(both.seal(text, "a").text, "a"), "present");
    assert.equal(both.sealedBy(box.seal(text, "a").text, "a"), "former");
    assert.equal(both.sealedBy(box.seal(text, "a").text, "b"), "unknown");
  });

  it("takes no key of another length", () => {
    for (const keys of [[], [Buffer.alloc(16)], [Buffer.alloc(32), Buffer.alloc(33)]]) {
      assert.throws(() => sealer(keys, randomBytes), /32 bytes/);
    }
  });
});
