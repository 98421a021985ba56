import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { COVERED } from "../fields/covered.ts";
import { expanded, fieldsByKind } from "../fields/fields.ts";
import { stateOf, testsByField, withFields } from "../fields/page.ts";
import { FIELD_STATES } from "../fields/states.ts";
import { ROOT } from "./pages.ts";

const all = [...fieldsByKind().values()].flat();
const isAbove = (above: string) => (field: string) => `${field}.`.startsWith(`${above}.`);

describe("docs/compatibility.md", () => {
  it("has the tables of fields as schemas and tests are", () => {
    const page = readFileSync(join(ROOT, "docs/compatibility.md"), "utf8");
    assert.equal(page, withFields(page), "npm run generate");
  });

  it("has a test for every field that works", () => {
    const tests = testsByField();
    const unshown = all.filter((field) => stateOf(field) === undefined && !tests.has(field));
    assert.deepEqual(unshown, []);
  });

  it("names tests that there are", () => {
    for (const { file, test } of COVERED) {
      const path = join(ROOT, "test", file);
      assert.match(file, /^(e2e|contract|core)\//, "on real servers, or in a world that passes the same contracts");
      assert.ok(existsSync(path), file);
      assert.ok(readFileSync(path, "utf8").includes(`it("${test}"`), `${file} has no test: ${test}`);
    }
  });

  it("names fields that there are, and says of none that it works and does not", () => {
    for (const field of COVERED.flatMap(({ fields }) => fields.flatMap(expanded))) {
      assert.ok(all.includes(field), `no such field: ${field}`);
      assert.equal(stateOf(field), undefined, `${field} is said not to work`);
    }
    for (const { field } of FIELD_STATES) assert.ok(all.some(isAbove(field)), `no such field: ${field}`);
  });
});
