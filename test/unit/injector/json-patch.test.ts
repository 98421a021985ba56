import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { applyPatch, parsePatch } from "../../../lib/injector/json-patch.ts";
import type { Json } from "../../../lib/util/json.ts";

function patched(document: Json, patch: unknown): unknown {
  const operations = parsePatch(JSON.stringify(patch));
  if (typeof operations === "string") return { refused: operations };
  return applyPatch(document, operations);
}

/** From appendix A of RFC 6902, by its numbers: a document, a patch and the result; undefined: it does not apply. */
const EXAMPLES: readonly (readonly [string, Json, unknown, Json?])[] = [
  ["A.1", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
  ["A.2", { foo: ["a", "b"] }, [{ op: "add", path: "/foo/1", value: "c" }], { foo: ["a", "c", "b"] }],
  ["A.3", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
  ["A.4", { foo: ["a", "b", "c"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["a", "c"] }],
  ["A.5", { baz: "qux", foo: "bar" }, [{ op: "replace", path: "/baz", value: 1 }], { baz: 1, foo: "bar" }],
  ["A.6", { a: { b: 1, c: 2 }, d: {} }, [{ op: "move", from: "/a/b", path: "/d/e" }], { a: { c: 2 }, d: { e: 1 } }],
  ["A.7", { foo: [1, 2, 3, 4] }, [{ op: "move", from: "/foo/1", path: "/foo/3" }], { foo: [1, 3, 4, 2] }],
  ["A.8", { a: "b", c: ["d", 2] }, [{ op: "test", path: "/c/1", value: 2 }], { a: "b", c: ["d", 2] }],
  ["A.9", { a: "b" }, [{ op: "test", path: "/a", value: "c" }]],
  ["A.10", { foo: 1 }, [{ op: "add", path: "/child", value: { x: {} } }], { foo: 1, child: { x: {} } }],
  ["A.11", { foo: 1 }, [{ op: "add", path: "/a", value: 2, xyz: 123 }], { foo: 1, a: 2 }],
  ["A.12", { foo: 1 }, [{ op: "add", path: "/baz/bat", value: 2 }]],
  ["A.14", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
  ["A.15", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: "10" }]],
  ["A.16", { foo: ["bar"] }, [{ op: "add", path: "/foo/-", value: ["a"] }], { foo: ["bar", ["a"]] }],
  ["the whole", { a: 1 }, [{ op: "add", path: "", value: 2 }], 2],
  ["no whole", { a: 1 }, [{ op: "remove", path: "" }], null],
  [
    "a copy is no alias",
    { a: [1] },
    [
      { op: "copy", from: "/a", path: "/b" },
      { op: "add", path: "/b/0", value: 0 },
    ],
    { a: [1], b: [0, 1] },
  ],
  ["after the end", { a: [1] }, [{ op: "add", path: "/a/2", value: 0 }]],
  ["at the end", { a: [1] }, [{ op: "add", path: "/a/1", value: 0 }], { a: [1, 0] }],
  ["a leading zero", { a: [1] }, [{ op: "add", path: "/a/00", value: 0 }]],
  ["no index", { a: [1] }, [{ op: "add", path: "/a/length", value: 0 }]],
  ["the item after the last one", { a: [1] }, [{ op: "remove", path: "/a/-" }]],
  ["an inherited member", { a: {} }, [{ op: "test", path: "/a/toString", value: 0 }]],
  ["a character of a text", { a: "xy" }, [{ op: "test", path: "/a/0", value: "x" }]],
  ["below null", { a: null }, [{ op: "add", path: "/a/b", value: 1 }]],
  ["below a text", { a: "b" }, [{ op: "add", path: "/a/b", value: 1 }]],
  ["into itself", { a: { b: 1 } }, [{ op: "move", from: "/a", path: "/a/b" }]],
  ["beside itself", { a: { b: 1 } }, [{ op: "move", from: "/a", path: "/ab" }], { ab: { b: 1 } }],
  ["to its own place", { a: 1 }, [{ op: "move", from: "/a", path: "/a" }], { a: 1 }],
];

describe("applyPatch", () => {
  for (const [title, document, patch, result] of EXAMPLES) {
    it(`is RFC 6902: ${title}`, () => {
      const before = structuredClone(document);
      const found = patched(document, patch);
      if (result === undefined) assert.match(JSON.stringify(found), /"inapplicable":"operation 0: /);
      else assert.deepEqual(found, result);
      assert.deepEqual(document, before, "the document itself stays");
    });
  }

  it("copies and tests little", () => {
    const large = "x".repeat(40_000);
    const copy = { op: "copy", from: "/a", path: "/b" };
    assert.deepEqual(patched({ a: large }, [copy]), { a: large, b: large });
    for (const second of [copy, { op: "test", path: "/a", value: large }]) {
      assert.deepEqual(patched({ a: large }, [copy, second]), {
        inapplicable: "operation 1: copies and tests more than 65536 characters",
      });
    }
  });
});

describe("parsePatch", () => {
  it("refuses what is no patch", () => {
    const add = { op: "add", path: "/a", value: 1 };
    for (const patch of [
      ...[null, 1, "x", {}, [null], [[]], [1], [{}], [{ op: "add" }], [{ ...add, path: 1 }], [{ ...add, path: "a" }]],
      ...[[{ ...add, path: "/~" }], [{ ...add, path: "/~2" }], [{ ...add, path: "/a".repeat(17) }]],
      ...[[{ op: "add", path: "/a" }], [{ op: "test", path: "/a" }], [{ op: "copy", path: "/a" }]],
      ...[[{ op: "move", path: "/a", from: "b" }], [{ op: "copy", from: "/__proto__", path: "/a" }], [{ op: "x" }]],
      Array.from({ length: 101 }, () => add),
    ]) {
      assert.equal(typeof parsePatch(JSON.stringify(patch)), "string", JSON.stringify(patch));
    }
    assert.equal(typeof parsePatch(""), "string");
    assert.deepEqual(parsePatch(JSON.stringify([add, { op: "remove", path: "/a".repeat(16) }])), [
      add,
      { op: "remove", path: "/a".repeat(16) },
    ]);
  });
});
