import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lookUp, mustBeOperators, referTo } from "../../../lib/declarations/look-up.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { Reference } from "../../../lib/ports/rows.ts";
import { aCluster } from "../../builders.ts";

const places = (...namespaces: string[]) => namespaces.map((namespace) => ({ namespace, name: "g" }));
const messageOf = (namespaces: readonly string[]): string => {
  const cluster = { ...aCluster(), namespaces: { include: ["shop", "web"], exclude: [] } };
  try {
    lookUp(cluster, () => undefined).findFirst("VaultAuthGlobal", places(...namespaces), "asked for");
  } catch (error) {
    assert.ok(error instanceof SyncError);
    assert.equal(error.code, "REFERENCE_MISSING");
    return error.message;
  }
  return assert.fail("it was found");
};

describe("a reference that is missing", () => {
  it("is looked for where the cluster is read, and elsewhere nobody knows", () => {
    assert.match(
      messageOf(["shop", "web"]),
      /^VaultAuthGlobal shop\/g or VaultAuthGlobal web\/g was not found in cluster east/,
    );
    assert.match(messageOf(["shop", "a"]), /was not found \(asked for\): fleet.yaml leaves out namespace a of/);
    assert.match(messageOf(["a", "b"]), /can't be seen \(asked for\): fleet.yaml leaves out namespace a, b of/);
  });
});

it("a Secret that is not read is followed by its version, where that is known", () => {
  const known = { uid: "u", hash: "h" } as Reference;
  const lookup = lookUp(aCluster(), (key) => (key.endsWith("/known") ? known : undefined));
  assert.deepEqual(lookup.note("Secret", { namespace: "shop", name: "known" }), { version: "u/h", isGone: false });
  assert.equal(lookup.note("Secret", { namespace: "shop", name: "other" }), undefined);
  assert.deepEqual([...lookup.refs], ["east/Secret/shop/known", "east/Secret/shop/other"]);
});

describe("a reference by name", () => {
  it("is of its own namespace, of another one, or the operator's default", () => {
    assert.deepEqual(referTo("g", "shop", "vso"), { namespace: "shop", name: "g" });
    assert.deepEqual(referTo("web/g", "shop", "vso"), { namespace: "web", name: "g" });
    for (const text of ["", undefined]) {
      assert.deepEqual(referTo(text, "shop", "vso"), { namespace: "vso", name: "default" });
    }
  });

  it("that is none is an error of the declaration", () => {
    assert.throws(() => referTo("a/b/c", "shop", "vso"), { code: "SPEC_INVALID" });
  });
});

describe("a default", () => {
  const object: Reference = {
    ...{ key: "east/VaultAuth/vso/default", uid: "u", generation: 1, hash: "h" },
    ...{ labels: {}, annotations: {}, spec: {} },
  } as Reference;

  it("is the operator's own, and no stranger's in a namespace of that name", () => {
    mustBeOperators({ object, subject: "VaultAuth vso/default" });
    mustBeOperators({ object: { ...object, isStranger: false }, subject: "VaultAuth vso/default" });
    const theirs = { object: { ...object, isStranger: true }, subject: "VaultAuth vso/default" };
    assert.throws(() => mustBeOperators(theirs), { code: "REFERENCE_NOT_ALLOWED" });
  });
});
