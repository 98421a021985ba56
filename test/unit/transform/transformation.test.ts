import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SecretTransformationSpec } from "../../../lib/declarations/secret-transformation.ts";
import { SyncError } from "../../../lib/errors.ts";
import {
  isPlain,
  type Transformation,
  type TransformationSpec,
  transformationOf,
  transformationRefs,
} from "../../../lib/transform/transformation.ts";

const OWNER = { namespace: "shop", name: "db" };

function collected(spec: TransformationSpec, found: Record<string, SecretTransformationSpec> = {}): Transformation {
  return transformationOf({
    owner: OWNER,
    spec,
    excludeRaw: false,
    missingKey: "default",
    find: ({ namespace, name }) => found[`${namespace}/${name}`] ?? assert.fail(`${namespace}/${name}`),
  });
}

/** `key=name`, in the order of rendering. */
function names(spec: TransformationSpec, found: Record<string, SecretTransformationSpec> = {}): readonly string[] {
  return collected(spec, found).templates.map(({ key, name }) => `${key ?? ""}=${name}`);
}

function fails(spec: TransformationSpec, found: Record<string, SecretTransformationSpec>, message: RegExp): void {
  assert.throws(
    () => collected(spec, found),
    (error) => error instanceof SyncError && error.code === "TRANSFORM_FAILED" && message.test(error.message),
  );
}

const text = "t";

describe("collecting templates", () => {
  it("names the declaration's own by its place, if they have no name", () => {
    assert.deepEqual(names({ templates: { b: { text }, a: { text, name: "mine" }, c: { text, name: "" } } }), [
      "a=mine",
      "b=shop/db/b",
      "c=shop/db/c",
    ]);
  });

  it("takes what templateRefs name, under their own key or another", () => {
    const found = { "shop/t": { templates: { a: { name: "x", text }, b: { name: "y", text }, c: { text } } } };
    const templateRefs = [{ name: "b", keyOverride: "other" }, { name: "a" }];
    assert.deepEqual(names({ transformationRefs: [{ name: "t", templateRefs }] }, found), ["a=x", "other=y"]);
    const unnamed = { transformationRefs: [{ name: "t", templateRefs: [{ name: "c" }] }] };
    fails(unnamed, found, /^template name empty: spec\.templates\.c of SecretTransformation shop\/t/);
    const missing = { transformationRefs: [{ name: "t", templateRefs: [{ name: "z" }] }] };
    fails(
      missing,
      found,
      /spec\.templates\.z of SecretTransformation shop\/t is named in templateRefs, but does not exist/,
    );
    const twice = [{ name: "a" }, { name: "a", keyOverride: "again" }];
    fails({ transformationRefs: [{ name: "t", templateRefs: twice }] }, found, /two templates have the name "x"/);
  });

  it("takes all of a reference that names none, but those whose key is the name of another", () => {
    const found = { "ns/t": { templates: { a: { text }, b: { text, name: "n" }, taken: { text } } } };
    const spec = { templates: { own: { text, name: "taken" } }, transformationRefs: [{ namespace: "ns", name: "t" }] };
    assert.deepEqual(names(spec, found), ["a=ns/t/a", "b=n", "own=taken"]);
    assert.deepEqual(
      names({ ...spec, transformationRefs: [{ namespace: "ns", name: "t", templateRefs: [] }] }, found),
      ["a=ns/t/a", "b=n", "own=taken"],
    );
  });

  it("takes source templates as helpers, by their name or their number", () => {
    const found = {
      "shop/t": { sourceTemplates: [{ text }, { text, name: "help" }], templates: { a: { text, name: "x" } } },
    };
    const templateRefs = [{ name: "a" }];
    assert.deepEqual(names({ transformationRefs: [{ name: "t", templateRefs }] }, found), [
      "=shop/t/0",
      "=help",
      "a=x",
    ]);
  });

  it("refuses a name that stands twice, and a SecretTransformation that is named twice", () => {
    const found = {
      "shop/t": { sourceTemplates: [{ text, name: "n" }] },
      "shop/u": { templates: { k: { text, name: "n" } } },
    };
    const message =
      /"n": spec\.sourceTemplates\[0\] of SecretTransformation shop\/t and spec\.templates\.k of SecretTransformation shop\/u$/;
    fails({ transformationRefs: [{ name: "t" }, { name: "u" }] }, found, message);
    const own = { templates: { a: { text, name: "n" }, b: { text, name: "n" } } };
    fails(own, {}, /transformation\.templates\.a and spec\.destination\.transformation\.templates\.b$/);
    const twice = { transformationRefs: [{ name: "t" }, { namespace: "shop", name: "t" }] };
    fails(twice, found, /^SecretTransformation shop\/t is named twice/);
  });

  it("renders in the order of keys, then of names, in bytes", () => {
    const found = { "shop/t": { templates: { a: { text, name: "0" }, b: { text } } } };
    const spec = { templates: { a: { text, name: "1" }, Z: { text }, "\ue000": { text }, "😀": { text } } };
    assert.deepEqual(names({ ...spec, transformationRefs: [{ name: "t" }] }, found), [
      "Z=shop/db/Z",
      "a=0",
      "a=1",
      "b=shop/t/b",
      "\ue000=shop/db/\ue000",
      "😀=shop/db/😀",
    ]);
  });
});

describe("collecting filters", () => {
  const found = { "shop/t": { includes: ["b", "a"], excludes: ["x"] }, "shop/u": { includes: ["c"], excludes: ["y"] } };

  it("merges those of all, each once and sorted, but what is to be ignored", () => {
    const spec = {
      includes: ["b", "z"],
      excludes: ["x"],
      transformationRefs: [
        { name: "t", ignoreExcludes: true },
        { name: "u", ignoreIncludes: true },
      ],
    };
    const { includes, excludes } = collected(spec, found);
    assert.deepEqual(includes, ["a", "b", "z"]);
    assert.deepEqual(excludes, ["x", "y"]);
  });

  it("knows where nothing is to be transformed", () => {
    assert.equal(isPlain(collected({ excludeRaw: true })), true);
    assert.equal(isPlain(collected({ transformationRefs: [{ name: "t" }] }, { "shop/t": {} })), true);
    for (const spec of [{ includes: ["a"] }, { excludes: ["a"] }, { templates: { a: { text } } }]) {
      assert.equal(isPlain(collected(spec)), false);
    }
  });

  it("names what it refers to in the declaration's own namespace, or in another", () => {
    const spec = { transformationRefs: [{ name: "t" }, { namespace: "", name: "u" }, { namespace: "far", name: "t" }] };
    assert.deepEqual(transformationRefs({ owner: OWNER, spec }), [
      { namespace: "shop", name: "t" },
      { namespace: "shop", name: "u" },
      { namespace: "far", name: "t" },
    ]);
    assert.deepEqual(transformationRefs({ owner: OWNER, spec: undefined }), []);
  });
});
