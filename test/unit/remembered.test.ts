import assert from "node:assert/strict";
import { it } from "node:test";
import { remembered } from "../../lib/remembered.ts";

it("a remembered function works once for each text, and keeps so many answers at most", () => {
  const worked: string[] = [];
  const twice = remembered((text) => {
    worked.push(text);
    return `${text}${text}`;
  }, 2);
  assert.deepEqual(["a", "b", "a", "b"].map(twice), ["aa", "bb", "aa", "bb"]);
  assert.deepEqual(worked, ["a", "b"]);
  assert.deepEqual(["c", "a"].map(twice), ["cc", "aa"]);
  assert.deepEqual(worked, ["a", "b", "c", "a"]);
});
