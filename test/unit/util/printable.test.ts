import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { printable, printableJson, printableLines, printableValue } from "../../../lib/util/printable.ts";

const ESC = "\u001b";
/** Each with what a person is shown instead. */
const HOSTILE: readonly (readonly [what: string, text: string, shown: string])[] = [
  ["a title and a cleared screen", `${ESC}]0;mine\u0007${ESC}[2J`, "\\u001b]0;mine\\u0007\\u001b[2J"],
  ["the same by one C1 character", "\u009b2J\u009d0;mine\u009c", "\\u009b2J\\u009d0;mine\\u009c"],
  ["a line that is none of ours", "db\nprod/x synced\r\t", "db\\nprod/x synced\\r\\t"],
  ["NUL, backspace and DEL", "a\u0000b\u0008c\u007f", "a\\u0000b\\u0008c\\u007f"],
  [
    "an order turned around",
    "\u202egnp.exe\u202c\u2066\u2069\u200f\u061c",
    "\\u202egnp.exe\\u202c\\u2066\\u2069\\u200f\\u061c",
  ],
  ["what has no width", "a\u200bb\u200d\ufeff\u2060\u00ad", "a\\u200bb\\u200d\\ufeff\\u2060\\u00ad"],
  ["what looks empty", "\u3164\u115f\ufe0f", "\\u3164\\u115f\\ufe0f"],
  ["other line ends", "a\u2028b\u2029c\u0085", "a\\u2028b\\u2029c\\u0085"],
  ["halves of a pair", "a\ud800b\udc00", "a\\ud800b\\udc00"],
  ["invisible tags", "\u{e0041}\u{e007f}", "\\u{e0041}\\u{e007f}"],
];
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe("what people and logs are shown is printable", () => {
  for (const [what, text, shown] of HOSTILE) {
    it(`shows ${what} as escapes, in text, JSON and log fields`, () => {
      assert.equal(printable(text), shown);
      assert.equal(printable(shown), shown, "once is enough");
      assert.doesNotMatch(printableLines(text).replaceAll("\n", ""), UNSEEN);
      const json = printableJson({ [text]: [text] });
      assert.doesNotMatch(json.replaceAll("\n", ""), UNSEEN);
      assert.deepEqual(JSON.parse(json), { [text]: [text] }, "and is exact");
      assert.deepEqual(printableValue({ a: [text], [text]: { b: text } }), { a: [shown], [shown]: { b: shown } });
    });
  }

  it("leaves alone what can be seen, in any script", () => {
    for (const text of ["", "spec.path: required", "Gehäuse … żółć 日本語 🔑 عربي", "a\\nb"]) {
      assert.equal(printable(text), text);
      assert.equal(printableLines(text), text);
    }
    assert.equal(printableLines("one\n  two\n"), "one\n  two\n");
    assert.deepEqual(printableValue({ n: 1, b: false, none: null, left: undefined }), {
      ...{ n: 1, b: false, none: null, left: undefined },
    });
  });

  it("is bounded, and cuts no character in half", () => {
    assert.equal(printable("x".repeat(1_024)).length, 1_024);
    assert.equal(printable("x".repeat(5_000_000)), `${"x".repeat(1_023)}…`);
    assert.equal(printable("🔑🔑🔑", 4), "🔑…");
    assert.ok(printable("\u0000".repeat(1_024)).length <= 1_024);
    const deep = { a: { b: { c: { d: { e: "x" } } } } };
    assert.deepEqual(printableValue(deep), { a: { b: { c: { d: "…" } } } });
    assert.equal((printableValue(Array.from({ length: 1_000 }, () => "x")) as unknown[]).length, 101);
  });
});
