import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { asObject, canonical, sameJson } from "../../../lib/util/canonical.ts";
import type { Json } from "../../../lib/util/json.ts";

/** Equal, with its members the other way round. */
function clone(value: Json): Json {
  if (Array.isArray(value)) return value.map(clone);
  const members = Object.entries(asObject(value) ?? {}).reverse();
  return asObject(value) ? Object.fromEntries(members.map(([key, item]) => [key, clone(item)])) : value;
}

describe("equal things have equal text", () => {
  it("does not depend on the order of members, and does on that of items", () => {
    assert.equal(canonical({ b: 1, a: [{ d: null, c: true }] }), '{"a":[{"c":true,"d":null}],"b":1}');
    assert.ok(sameJson({ a: 1, b: 2 }, { b: 2, a: 1 }));
    assert.ok(!sameJson([1, 2], [2, 1]));
  });

  it("tells null, nothing and empty apart where JSON does", () => {
    assert.ok(sameJson(undefined, null));
    assert.ok(!sameJson({}, null));
    assert.ok(!sameJson({ a: null }, {}));
    assert.ok(!sameJson("1", 1));
  });

  it("is JSON with the same meaning, whatever it is made of", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = JSON.parse(JSON.stringify(value)) as Json;
        assert.deepEqual(JSON.parse(canonical(json)), json);
      }),
    );
  });

  it("compares without the texts, and finds what these would show", () => {
    const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as Json);
    const edited = fc
      .tuple(json, json)
      .chain(([one, other]) => fc.constantFrom<readonly [Json, Json]>([one, other], [one, clone(one)]));
    fc.assert(
      fc.property(edited, ([one, other]) => {
        assert.equal(sameJson(one, other), canonical(one) === canonical(other));
        assert.equal(sameJson({ a: one, b: [other] }, { a: other, b: [one] }), canonical(one) === canonical(other));
      }),
    );
  });

  it("knows objects from lists, null and the rest", () => {
    assert.deepEqual(asObject({ a: 1 }), { a: 1 });
    for (const other of [null, [], "text", 1, true, undefined]) assert.equal(asObject(other), undefined);
  });
});
