import assert from "node:assert/strict";
import { it } from "node:test";
import { remembered, rememberedOf } from "../../../lib/util/remembered.ts";

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

it("what is remembered of an object is made once for each one, equal or not", () => {
  const made: object[] = [];
  const wrapped = rememberedOf((item: object) => {
    made.push(item);
    return { item };
  });
  const [one, other] = [{}, {}];
  assert.equal(wrapped(one), wrapped(one));
  assert.notEqual(wrapped(one), wrapped(other));
  assert.equal(made.length, 2);
});
