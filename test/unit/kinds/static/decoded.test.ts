import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { DECODE_BASE64, decodedIf, decodesBase64 } from "../../../../lib/kinds/static/decoded.ts";
import type { SourceData } from "../../../../lib/ports/vault.ts";
import { parseLossless } from "../../../../lib/util/lossless.ts";

const ASKED = { decodesBase64: true };

/** An answer with these fields, whose custom_metadata names those that are base64. */
function source(fields: object, list?: unknown): SourceData {
  const metadata = list === undefined ? {} : { metadata: { custom_metadata: { "keyferry.base64": list } } };
  return {
    response: parseLossless(JSON.stringify({ data: fields, ...metadata })),
    fields: new Map(Object.entries(fields)),
  };
}

const decoded = (fields: object, list?: unknown) => {
  const { bytes = new Map(), fields: kept } = decodedIf(ASKED, source(fields, list));
  return {
    bytes: Object.fromEntries([...bytes].map(([key, value]) => [key, value.reveal().toString()])),
    names: [...kept.keys()],
  };
};

describe("the annotation that decodes base64", () => {
  it("is true, or not there", () => {
    assert.equal(decodesBase64({}), false);
    assert.equal(decodesBase64({ [DECODE_BASE64]: "true" }), true);
    for (const value of ["", "false", "yes", "TRUE"]) {
      assert.throws(
        () => decodesBase64({ [DECODE_BASE64]: value }),
        (error: SyncError) => error.code === "SPEC_INVALID" && error.message.includes(DECODE_BASE64),
        value,
      );
    }
  });

  it("leaves an answer as it is where it is not there", () => {
    const given = source({ "a.b64": "eA==" });
    assert.equal(decodedIf({ decodesBase64: false }, given), given);
  });
});

describe("fields that a push wrote as base64", () => {
  it("are known by their names, and lose the end of them", () => {
    assert.deepEqual(decoded({ "key.b64": "eA==", plain: "eA==", ".b64": "text" }), {
      bytes: { key: "x" },
      names: ["key", "plain", ".b64"],
    });
  });

  it("are known by custom_metadata, and keep their names", () => {
    assert.deepEqual(decoded({ a: "eA==", "b.b64": "eQ==", c: "eA==" }, "a,b.b64"), {
      bytes: { a: "x", "b.b64": "y" },
      names: ["a", "b.b64", "c"],
    });
    for (const list of ["", 7, null, {}]) assert.deepEqual(decoded({ a: "eA==" }, list).bytes, {}, String(list));
  });

  it("are told when they are not base64, or their name is taken", () => {
    const problems = (fields: object, list?: unknown) => {
      try {
        decoded(fields, list);
      } catch (error) {
        assert.ok(error instanceof SyncError && error.code === "TRANSFORM_FAILED");
        return error.message;
      }
      return "none";
    };
    assert.match(problems({ "a.b64": "eA" }), /: field a\.b64 is not base64: repair them/);
    assert.match(problems({ a: "e A==" }, "a"), /: field a is not base64: /);
    assert.match(problems({ "a.b64": 7 }), /field a\.b64 is not base64/);
    assert.match(problems({ "a.b64": "eA==", a: "taken" }), /: fields a\.b64 and a would be one key: /);
    assert.match(problems({ "a.b64": "?", "b.b64": "?" }), /field a\.b64 is not base64; field b\.b64 is not base64/);
    assert.equal(problems({ "a.b64": "", b: "x" }), "none", "nothing is base64 of nothing");
  });
});
