import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { commands, manifest, some } from "../../../lib/doctor/remedies.ts";

describe("remedies", () => {
  it("a reason stays one line of comment", () => {
    const { text } = commands(["true"], ["first\nrm -rf /", "second"]);
    assert.deepEqual(text.split("\n"), ["# first rm -rf /", "# second", "true"]);
  });

  it("a manifest parses to its objects", () => {
    const objects = [{ kind: "A", text: "# no comment\n---\nb: 1" }, { kind: "B" }];
    const documents = parseAllDocuments(manifest(objects, ["why"]).text).map((document) => document.toJS());
    assert.deepEqual(documents, objects);
  });

  it("a long list ends with its length", () => {
    assert.equal(some(["a", "b", "c"]), "a, b, c");
    assert.equal(some(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
  });
});
