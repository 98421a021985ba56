import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { MAX_SECRET_BYTES, secretData, templateInput } from "../../../lib/transform/secret-data.ts";
import { goJson, isLosslessObject, parseLossless } from "../../../lib/util/lossless.ts";

/** A kv-v2 answer whose `data.data` is this JSON. */
function source(json: string) {
  const response = parseLossless(`{"data":${json},"metadata":{"version":3}}`);
  const data = isLosslessObject(response) ? response.data : undefined;
  assert.ok(isLosslessObject(data));
  return { response, fields: new Map(Object.entries(data)) };
}

function texts(json: string, excludeRaw = false): Record<string, string> {
  const data = secretData(source(json), { excludeRaw });
  return Object.fromEntries([...data].map(([key, value]) => [key, value.reveal().toString()]));
}

function fails(json: string, code: ErrorCode, excludeRaw = false): string {
  let message = "";
  assert.throws(
    () => secretData(source(json), { excludeRaw }),
    (error) => {
      if (!(error instanceof SyncError) || error.code !== code) return false;
      message = error.message;
      return true;
    },
  );
  return message;
}

describe("secretData", () => {
  it("stores texts byte for byte and anything else as Go's JSON", () => {
    assert.deepEqual(
      texts('{"s":" ä<\\n","n":1.0,"big":12345678901234567890,"b":true,"z":null,"o":{"b":"<","a":[1e5]}}', true),
      {
        s: " ä<\n",
        n: "1.0",
        big: "12345678901234567890",
        b: "true",
        z: "null",
        o: '{"a":[1e5],"b":"\\u003c"}',
      },
    );
  });

  it("puts the whole answer under _raw, unless it is excluded", () => {
    assert.deepEqual(texts('{"b":"x","a":1}'), {
      _raw: '{"data":{"a":1,"b":"x"},"metadata":{"version":3}}',
      b: "x",
      a: "1",
    });
    assert.deepEqual(texts("{}", true), {});
  });

  it("does not permit a field _raw beside it, and takes it for any other without", () => {
    assert.match(fails('{"_raw":"x"}', "TRANSFORM_FAILED"), /^key '_raw' not permitted in Secret data/);
    assert.deepEqual(texts('{"_raw":"x"}', true), { _raw: "x" });
  });

  it("refuses keys that Kubernetes would refuse, by name and never by value", () => {
    const message = fails(
      `{"a b":"hunter2","":"x","..a":"y","ok":"z","ä":"w","${"k".repeat(254)}":"v"}`,
      "SECRET_REFUSED",
    );
    assert.match(message, /"a b", "", "..a", "ä", "k{253}"\. /);
    assert.equal(message.includes("hunter2"), false);
    assert.deepEqual(
      Object.keys(texts(`{"-._aA0":"x","${"k".repeat(253)}":"y",".a":"z","__proto__":"p"}`, true)).length,
      4,
    );
  });

  it("kubernetes-rules 13: takes 1,048,576 bytes and not one more", () => {
    assert.equal(texts(`{"a":"${"x".repeat(MAX_SECRET_BYTES)}"}`, true).a?.length, MAX_SECRET_BYTES);
    const message = fails(`{"a":"${"x".repeat(MAX_SECRET_BYTES)}","bb":"y"}`, "SECRET_TOO_LARGE", true);
    assert.match(message, /^1048577 bytes of data, but a Secret holds at most 1048576 \(largest: a 1048576, bb 1\)$/);
    assert.match(fails(`{"a":"${"x".repeat(600_000)}"}`, "SECRET_TOO_LARGE"), /without _raw/);
  });
});

describe("secretData with what was rendered", () => {
  const rendered = (outputs: Record<string, string>, fields: readonly string[]) => ({
    missing: [],
    outputs: new Map(Object.entries(outputs).map(([key, text]) => [key, SecretValue.of(text)])),
    fields: new Set(fields),
  });
  const after = (json: string, made: ReturnType<typeof rendered>, excludeRaw = true) =>
    Object.fromEntries(
      [...secretData(source(json), { excludeRaw }, made)].map(([key, value]) => [key, value.reveal().toString()]),
    );

  it("adds templates, then the fields that the filters let through and no template took", () => {
    const made = rendered({ b: "made", only: "here" }, ["a", "b"]);
    assert.deepEqual(after('{"a":"1","b":"2","c":"3"}', made), { b: "made", only: "here", a: "1" });
    assert.deepEqual(Object.keys(after('{"c":"3"}', rendered({}, []), false)), ["_raw"]);
  });

  it("does not permit a template to fill _raw, nor a field _raw that is filtered, unless _raw is excluded", () => {
    for (const [json, made] of [
      ["{}", rendered({ _raw: "x" }, [])],
      ['{"_raw":"x"}', rendered({}, [])],
    ] as const) {
      assert.throws(() => after(json, made, false), /key '_raw' not permitted in Secret data/);
    }
    assert.deepEqual(after("{}", rendered({ _raw: "x" }, [])), { _raw: "x" });
  });

  it("shows templates the metadata of Vault's answer, whatever the engine, and an empty map without", () => {
    const about = { annotations: { a: "1" }, labels: { l: "2" } };
    const input = templateInput(source('{"x":1.0}'), about);
    assert.equal(goJson(input.secrets), '{"x":1.0}');
    assert.equal(goJson(input.metadata), '{"version":3}');
    assert.deepEqual({ annotations: input.annotations, labels: input.labels }, about);
    const response = parseLossless('{"metadata":"none"}');
    assert.deepEqual(templateInput({ response, fields: new Map() }, about).metadata, {});
  });
});

describe("parseLossless", () => {
  it("refuses what nests too deep, and says nothing of the text", () => {
    const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    parseLossless(deep(1_000));
    parseLossless(`["${"[".repeat(5_000)}","\\"${"{".repeat(5_000)}"]`);
    for (const levels of [1_001, 1_000_000])
      assert.throws(() => parseLossless(deep(levels)), /^SyntaxError: JSON of more/);
    assert.throws(() => parseLossless('{"password":"hunter2'), /^SyntaxError: not JSON$/);
  });
});
