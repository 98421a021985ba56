import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { changesOf } from "../../../../lib/destinations/kubernetes-secret/changes.ts";
import type { Work } from "../../../../lib/destinations/kubernetes-secret/state.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import type { SeenSecret } from "../../../../lib/ports/secrets.ts";
import { type SecretData, SecretValue } from "../../../../lib/secret-value.ts";
import { aRow } from "../../../builders.ts";

const KEY = digestKey(Buffer.alloc(32, 1));
const OWNER = { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name: "db", uid: "u" };

const dataOf = (texts: Readonly<Record<string, string>>): SecretData =>
  new Map(Object.entries(texts).map(([name, text]) => [name, SecretValue.of(text)]));

function aWork(data: SecretData, destination: Partial<Work["seen"]["destination"]> = {}, before?: SeenSecret): Work {
  return {
    secret: { cluster: "east", namespace: "shop", name: "db" },
    data,
    seen: {
      row: aRow(),
      destination: {
        ...{ name: "db", create: true, overwrite: false, type: "Opaque", labels: {}, annotations: {} },
        ownerReference: OWNER,
        ...destination,
      },
      observe: "watch",
      digest: digestOf(KEY, data),
      key: KEY,
      secret: before ?? "absent",
      ...(before ? { secretDigest: digestOf(KEY, before.data) } : {}),
      applied: false,
    },
  };
}

function aSecret(overrides: Partial<SeenSecret> = {}): SeenSecret {
  return {
    ...{ uid: "u1", resourceVersion: "7", type: "Opaque", immutable: false, deleting: false },
    ...{ labels: {}, annotations: {}, ownerReferences: [OWNER], data: dataOf({}) },
    managed: { fingerprint: "m", ours: true, vso: false },
    ...overrides,
  };
}

describe("what a write would change", () => {
  it("is nothing when all is equal", () => {
    const before = aSecret({ data: dataOf({ a: "1" }), labels: { theirs: "x" } });
    const changes = changesOf(KEY, before, aWork(dataOf({ a: "1" }), {}, before));
    assert.equal(changes.any, false);
    assert.equal(changes.digest.before, changes.digest.after);
  });

  it("names data keys that come, go and change, and tells data apart by digests", () => {
    const before = aSecret({ data: dataOf({ same: "1", other: "2", old: "3" }) });
    const changes = changesOf(KEY, before, aWork(dataOf({ same: "1", other: "9", new: "4" }), {}, before));
    assert.deepEqual(changes.data, { added: ["new"], removed: ["old"], changed: ["other"] });
    assert.ok(changes.any && changes.digest.before !== changes.digest.after);
    assert.equal(changes.digest.after.length, 8);
  });

  it("leaves the labels and annotations of others, and drops those of ours that are no longer declared", () => {
    const marks = { kept: "1", changed: "1", dropped: "1", theirs: "1" };
    const own = ["changed", "dropped", "gone-already", "kept"];
    const before = aSecret({ labels: marks, annotations: marks, ownMarks: { labels: own, annotations: own } });
    const wanted = { kept: "1", changed: "2", new: "1" };
    const changes = changesOf(KEY, before, aWork(dataOf({}), { labels: wanted, annotations: wanted }, before));
    assert.deepEqual(changes.labels, { added: ["new"], removed: ["dropped"], changed: ["changed"] });
    assert.deepEqual(changes.annotations, changes.labels);
  });

  it("touches nothing but the data of a Secret that is not ours", () => {
    const own = { labels: ["a"], annotations: ["a"] };
    const before = aSecret({ labels: { a: "1" }, type: "kubernetes.io/tls", ownerReferences: [], ownMarks: own });
    const changes = changesOf(KEY, before, aWork(dataOf({ b: "1" }), { create: false }, before));
    assert.deepEqual(changes.data.added, ["b"]);
    assert.deepEqual([changes.labels.removed, changes.type.after, changes.owner], [[], "kubernetes.io/tls", false]);
  });

  it("tells type and owner", () => {
    const before = aSecret({ type: "a/b", ownerReferences: [] });
    const changes = changesOf(KEY, before, aWork(dataOf({}), {}, before));
    assert.deepEqual([changes.any, changes.type, changes.owner], [true, { before: "a/b", after: "Opaque" }, true]);
  });

  it("of a Secret that is not ours, and not there, has the declared type", () => {
    const changes = changesOf(KEY, undefined, aWork(dataOf({ a: "1" }), { create: false, type: "a/b" }));
    assert.deepEqual(changes.type, { after: "a/b" });
  });

  it("of a Secret that is not there is all of it", () => {
    const changes = changesOf(KEY, undefined, aWork(dataOf({ a: "1" }), { labels: { l: "1" } }));
    assert.deepEqual([changes.data.added, changes.labels.added, changes.digest.before], [["a"], ["l"], undefined]);
    assert.equal(changes.any, true);
  });
});
