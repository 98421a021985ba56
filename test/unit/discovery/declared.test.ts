import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lookUp } from "../../../lib/declarations/look-up.ts";
import { declaredOf, referenceOf } from "../../../lib/discovery/declared.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import { SECRET_TRANSFORMATION, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aCluster } from "../../builders.ts";

const KIB = 1024;
const CLUSTER = { name: "east", namespaces: { include: ["*"], exclude: [] }, operatorNamespace: "vso" };

const seen = (more: Partial<SeenResource>): SeenResource => ({
  ...{ uid: "u", resourceVersion: "7", generation: 1, deleting: false, labels: {}, annotations: {}, finalizers: [] },
  ...{ spec: {}, status: {}, ownerReferences: [], namespace: "shop", name: "db" },
  ...more,
});

describe("what is stored of a resource", () => {
  it("is at most 256 KiB of something that syncs refer to: who names it is told", () => {
    const large = referenceOf("east", SECRET_TRANSFORMATION, seen({ spec: { text: "x".repeat(300 * KIB) } }));
    assert.ok(JSON.stringify(large).length < KIB);
    const found = lookUp(CLUSTER, () => large);
    assert.throws(
      () => found.find("SecretTransformation", { namespace: "shop", name: "db" }, "a test"),
      (error) =>
        error instanceof SyncError && error.code === "REFERENCE_INVALID" && /too many to store/.test(error.message),
    );
    const annotated = referenceOf("east", SECRET_TRANSFORMATION, seen({ annotations: { a: "x".repeat(300 * KIB) } }));
    const mended = referenceOf("east", SECRET_TRANSFORMATION, seen({}));
    assert.notEqual(annotated.hash, mended.hash);
  });

  it("is at most 64 KiB of a status, which is ours to write anew", () => {
    const status = { text: "x".repeat(70 * KIB) };
    assert.deepEqual(declaredOf(aCluster(), VAULT_STATIC_SECRET, seen({ status })).seen.status, {});
    const most = { text: "x".repeat(64 * KIB - JSON.stringify({ text: "" }).length) };
    assert.deepEqual(declaredOf(aCluster(), VAULT_STATIC_SECRET, seen({ status: most })).seen.status, most);
    const usual = { secretMAC: "x" };
    assert.deepEqual(declaredOf(aCluster(), VAULT_STATIC_SECRET, seen({ status: usual })).seen.status, usual);
  });

  it("says of something that syncs refer to whether it is a stranger's, which is another version of it", () => {
    const [own, stranger] = [false, true].map((isStranger) =>
      referenceOf("east", SECRET_TRANSFORMATION, seen({}), isStranger),
    );
    assert.deepEqual(["isStranger" in (own ?? {}), stranger?.isStranger], [false, true]);
    assert.notEqual(own?.hash, stranger?.hash);
  });

  it("is another version after each restore of the cluster, and says when it is too large", () => {
    const hashes = [undefined, 0, 1, 2].map(
      (restores) => declaredOf(aCluster(), VAULT_STATIC_SECRET, seen({}), restores).hash,
    );
    assert.deepEqual([hashes[0] === hashes[1], new Set(hashes).size], [true, 3]);
    const large = declaredOf(
      aCluster(),
      VAULT_STATIC_SECRET,
      seen({ labels: { a: "x" }, annotations: { a: "x" }, spec: { a: "x".repeat(300 * KIB) } }),
    );
    assert.deepEqual([large.spec, large.labels, large.annotations], [{}, {}, {}]);
    assert.ok((large.tooLarge ?? 0) > 300 * KIB);
    assert.equal("tooLarge" in declaredOf(aCluster(), VAULT_STATIC_SECRET, seen({})), false);
    const empty = Buffer.byteLength(JSON.stringify({ annotations: {}, labels: {}, spec: { a: "" } }));
    const most = declaredOf(aCluster(), VAULT_STATIC_SECRET, seen({ spec: { a: "x".repeat(256 * KIB - empty) } }));
    assert.equal("tooLarge" in most, false);
  });

  it("is not kubectl's own copy of it", () => {
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}", mine: "1" };
    assert.deepEqual(declaredOf(aCluster(), VAULT_STATIC_SECRET, seen({ annotations })).annotations, { mine: "1" });
    assert.deepEqual(referenceOf("east", SECRET_TRANSFORMATION, seen({ annotations })).annotations, { mine: "1" });
  });

  it("lease-table 5, kubernetes-rules 11: has a version of its own by each thing that is read of it, and by nothing else", () => {
    const hashOf = (more: Partial<SeenResource>) => declaredOf(aCluster(), VAULT_STATIC_SECRET, seen(more)).hash;
    const same = [{}, { status: { a: 1 } }, { resourceVersion: "8" }].map(hashOf);
    assert.equal(new Set(same).size, 1);
    const others = [{ generation: 2 }, { spec: { a: 1 } }, { labels: { a: "1" } }, { annotations: { a: "1" } }];
    const hashes = [{}, ...others, { deleting: true }].map(hashOf);
    assert.equal(new Set(hashes).size, hashes.length);
  });
});
