import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { InputError } from "../../lib/errors.ts";
import { parseFleet } from "../../lib/fleet/fleet.ts";

function complaints(text: string): readonly string[] {
  try {
    parseFleet(text, "fleet.yaml");
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.complaints;
  }
  return [];
}

it("parseFleet throws nothing but InputError, whatever the file holds", () => {
  const word = fc.constantFrom(
    ...[
      "apiVersion",
      "kind",
      "Fleet",
      "clusters",
      "name",
      "connect",
      "kubeconfig",
      "server",
      "path",
      "*a",
      "&a",
      "<<",
      "!t",
    ],
    ...[
      "keyferry.dev/v1alpha1",
      ":",
      ": ",
      "- ",
      "\n",
      "\n  ",
      "\n    ",
      "{",
      "}",
      "[",
      "]",
      '"',
      "'",
      "|",
      "#",
      "__proto__",
      "? ",
    ],
    ...["namespaces", "include", "*", "labels", "null", "1", "\t", "---", "%", "@", "\u0000", "\ud800", "eks"],
  );
  const soup = fc
    .array(fc.oneof({ weight: 9, arbitrary: word }, fc.string()), { maxLength: 60 })
    .map((parts) => parts.join(""));
  const field = fc.constantFrom(
    "name",
    "labels",
    "connect",
    "kubeconfig",
    "server",
    "url",
    "namespaces",
    "vault",
    "__proto__",
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: "small" }, fc.jsonValue(), fc.dictionary(field, tie("value"), { maxKeys: 4 })),
  }));
  const shaped = fc
    .array(value, { maxLength: 3 })
    .map((clusters) => JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters }));
  const property = fc.property(fc.oneof(soup, shaped), (text) => {
    for (const line of complaints(text)) assert.equal(line.length < 2_000, true);
  });
  fc.assert(property, { numRuns: 2_000 });
});
