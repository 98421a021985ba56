import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
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

  it("takes no key of another length", () => {
    assert.throws(() => sealer([Buffer.alloc(16)], randomBytes), /32 bytes/);
  });
});
