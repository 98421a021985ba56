import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contentOf, joinBodies, splitBodies, storedFields } from "../../../../lib/destinations/vault/bodies.ts";
import { ownKeys, standingFields, standingWrite } from "../../../../lib/destinations/vault/ours.ts";
import { kvPathOf, pushedAt } from "../../../../lib/destinations/vault/remove.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import type { Pushed } from "../../../../lib/ports/rows.ts";
import type { SecretData } from "../../../../lib/secret-value.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aPushed } from "../../../builders.ts";
import { IDENTITY } from "../../issues/an-issuing-vault.ts";

const KEY = digestKey(Buffer.alloc(32, 1));
const dataOf = (fields: Readonly<Record<string, string>>): SecretData =>
  new Map(Object.entries(fields).map(([name, text]) => [name, SecretValue.of(text)]));
const ONE = dataOf({ a: "1" });
const TWO = dataOf({ a: "2", b: "2" });
const OTHERS = dataOf({ a: "1", theirs: "x" });
const digest = (data: SecretData) => digestOf(KEY, data);
const WRITTEN: Partial<Pushed> = { digest: digest(ONE), keys: ["a"], version: 3 };
/** A crash came after the record, so that it may have been written. */
const BEGUN: Partial<Pushed> = { ...WRITTEN, writing: digest(TWO), writingVersion: 4, writingKeys: ["a", "b"] };

describe("which write of a row stands at a path", () => {
  const standing = (pushed: Partial<Pushed>, fields: SecretData, version?: number, isMerged = false) =>
    standingWrite(KEY, aPushed("db", pushed), fields, version, isMerged)?.version;

  it("is the one of that version and data", () => {
    assert.equal(standing(WRITTEN, ONE, 3), 3);
    assert.equal(standing(WRITTEN, ONE, 4), undefined, "another version, with equal data");
    assert.equal(standing(WRITTEN, TWO, 3), undefined, "the version, with other data");
    assert.equal(standing(WRITTEN, ONE), undefined, "no version is told");
    assert.equal(standingWrite(KEY, aPushed("db", { digest: digest(ONE) }), ONE, undefined, false), undefined);
    assert.deepEqual([standing(BEGUN, TWO, 4), standing(BEGUN, ONE, 3), standing(BEGUN, TWO, 3)], [4, 3, undefined]);
    assert.equal(standing({}, ONE, 3), undefined);
  });

  it("is known by its version where the digest is of another key", () => {
    assert.equal(standing({ ...WRITTEN, digest: "other:x" }, TWO, 3), 3);
    assert.equal(standing({ ...WRITTEN, digest: "other:x" }, TWO, 4), undefined);
  });

  it("is known by its data alone in kv-v1", () => {
    const { version: _version, ...old } = { ...WRITTEN, engine: "kv-v1" } as const;
    const found = (fields: SecretData) => standingWrite(KEY, aPushed("db", old), fields, undefined, false)?.keys;
    assert.deepEqual([found(ONE), found(TWO)], [["a"], undefined]);
    assert.equal(standingWrite(KEY, aPushed("db", { ...old, digest: "other:x" }), ONE, undefined, false), undefined);
  });

  it("is known by its own fields where others write some too", () => {
    assert.deepEqual([standing(WRITTEN, OTHERS, 3), standing(WRITTEN, OTHERS, 3, true)], [undefined, 3]);
    assert.equal(standingFields(KEY, aPushed("db", WRITTEN), OTHERS)?.version, 3);
    assert.equal(standingFields(KEY, aPushed("db", WRITTEN), TWO), undefined);
    assert.equal(standingFields(KEY, aPushed("db", {}), new Map()), undefined);
  });

  it("has fields that are the row's, those of a write that a crash followed too", () => {
    const keys = (pushed: Partial<Pushed>, fields: SecretData) => ownKeys(KEY, aPushed("db", pushed), fields);
    assert.deepEqual(
      [keys({}, ONE), keys(WRITTEN, TWO), keys(BEGUN, ONE), keys(BEGUN, TWO)],
      [[], ["a"], ["a"], ["a", "b"]],
    );
    const { writingKeys: _keys, ...same } = BEGUN;
    assert.deepEqual(keys(same, TWO), ["a"]);
  });
});

describe("the bodies of a push", () => {
  it("are one map of keys, and come out of it as they went in", () => {
    const bodies = new Map([
      ["", dataOf({ a: "1" })],
      ["app", dataOf({ a: "2", b: "3" })],
      ["empty", dataOf({})],
    ]);
    const joined = joinBodies(bodies);
    assert.deepEqual([...joined.keys()], ["/", "/a", "app/", "app/a", "app/b", "empty/"]);
    assert.deepEqual(splitBodies(joined), bodies);
  });

  const binary = Buffer.from([0xff, 0]);
  const BODY: SecretData = new Map([
    ["a", SecretValue.of("text")],
    ["b", SecretValue.of(binary)],
  ]);
  const content = (recorded: Partial<Pushed>, body = BODY) => {
    const { fields, list } = contentOf(body, "kv/db", aPushed("db", recorded));
    return { fields: [...storedFields(fields)].map(([name, value]) => [name, value.reveal().toString()]), list };
  };
  const base64 = binary.toString("base64");

  it("become fields, of which those that are not text are stored as base64, with a suffix", () => {
    const suffixed = [
      ["a", "text"],
      ["b.b64", base64],
    ];
    assert.deepEqual(content({}), { fields: suffixed, list: "" });
    assert.deepEqual(content({ binary: "suffixed" }), { fields: suffixed, list: "" });
    assert.deepEqual(
      content({ binary: "listed", engine: "kv-v1" }),
      { fields: suffixed, list: "" },
      "no custom_metadata",
    );
  });

  it("keep the names of binary fields where the path lists these", () => {
    assert.deepEqual(content({ binary: "listed" }), {
      fields: [
        ["a", "text"],
        ["b", base64],
      ],
      list: "b",
    });
    assert.deepEqual(content({ binary: "listed" }, dataOf({ a: "text" })), { fields: [["a", "text"]], list: "" });
    const unlistable = content({ binary: "listed" }, new Map([["x,y", SecretValue.of(binary)]]));
    assert.deepEqual(unlistable, { fields: [["x,y.b64", base64]], list: "" }, "a name that no list can hold");
  });
});

describe("the path that a row records", () => {
  const at = { mount: "kv", path: "db", engine: "kv-v2" } as const;
  const { namespace: _namespace, ...root } = IDENTITY;

  it("has the Vault namespace of its login, and is found again by a login of that namespace", () => {
    assert.deepEqual(pushedAt(at, IDENTITY, "main"), { ...at, vault: "main", mount: "team/kv" });
    assert.deepEqual(pushedAt(at, root, "main"), { ...at, vault: "main" });
    assert.deepEqual(kvPathOf(pushedAt(at, IDENTITY, "main"), IDENTITY, "main"), at);
    assert.deepEqual(kvPathOf(pushedAt(at, root, "main"), root, "main"), at);
  });

  it("is none of another Vault or namespace", () => {
    assert.equal(kvPathOf(pushedAt(at, IDENTITY, "main"), IDENTITY, "other"), undefined);
    assert.equal(kvPathOf(pushedAt(at, root, "main"), IDENTITY, "main"), undefined);
    assert.equal(kvPathOf(aPushed("db", { mount: "teammate/kv" }), IDENTITY, "main"), undefined);
  });
});
