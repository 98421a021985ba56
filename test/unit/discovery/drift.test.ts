import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { declaredOf, referenceOf } from "../../../lib/discovery/declared.ts";
import { classify, ownersOf } from "../../../lib/discovery/drift.ts";
import { isTooMany } from "../../../lib/discovery/tombstone-missing.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";
import type { OwnedSecret } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { SECRET, VAULT_AUTH, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { aRow } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const SETTINGS = {
  ...{ name: "east", labels: {}, observe: "watch" as const, operatorNamespace: "operator" },
  namespaces: { include: ["*"], exclude: [] },
};
const MANAGED = { fingerprint: "ours", ours: true, vso: false };

function aSeen(overrides: Partial<SeenResource> = {}): SeenResource {
  return {
    ...{ uid: "secret-uid", resourceVersion: "100", generation: 1, deleting: false, labels: {}, annotations: {} },
    ...{ finalizers: [], spec: {}, status: {}, ownerReferences: [], managed: MANAGED, namespace: "shop", name: "db" },
    ...overrides,
  };
}

describe("lease-table 22: is this Secret another than the one that we wrote?", () => {
  const owned: OwnedSecret = { name: "db", uid: "secret-uid", resourceVersion: "100", managed: "ours", type: "Opaque" };
  const rowWith = (entry: OwnedSecret, leaseUntil?: number) =>
    aRow({ state: { ...EMPTY_STATE, owned: [entry] }, ...(leaseUntil === undefined ? {} : { leaseUntil }) });
  const row = rowWith(owned);
  const other = { fingerprint: "changed", ours: true, vso: false };

  it("no, when it is our own write that comes back", () => {
    assert.equal(classify(row, { secret: aSeen(), isDeleted: false }, NOW), "in-step");
  });

  it("kubernetes-rules 10: no, when only its resourceVersion moved: a foreign annotation", () => {
    assert.equal(classify(row, { secret: aSeen({ resourceVersion: "101" }), isDeleted: false }, NOW), "in-step");
  });

  it("yes, when what its fields' owners say is another since", () => {
    assert.equal(
      classify(row, { secret: aSeen({ resourceVersion: "101", managed: other }), isDeleted: false }, NOW),
      "drifted",
    );
  });

  it("lease-table 20: resourceVersions are numbers: 99 is before 100", () => {
    assert.equal(
      classify(row, { secret: aSeen({ resourceVersion: "99", managed: other }), isDeleted: false }, NOW),
      "in-step",
    );
    assert.equal(
      classify(row, { secret: aSeen({ resourceVersion: "1000", managed: other }), isDeleted: false }, NOW),
      "drifted",
    );
  });

  it("lease-table 20: yes, when a list as new as our write has an older one: etcd went back", () => {
    const older = aSeen({ resourceVersion: "99" });
    const listed = (secret: SeenResource, listedAt: string) =>
      classify(row, { secret, isDeleted: false, listedAt }, NOW);
    assert.equal(listed(older, "100"), "drifted");
    assert.equal(listed(older, "1000"), "drifted");
    assert.equal(listed(older, "99"), "in-step", "the list is older than our write");
    assert.equal(listed(aSeen(), "1000"), "in-step");
    assert.equal(listed(aSeen({ resourceVersion: "101" }), "1000"), "in-step");
    const claimed = rowWith(owned, NOW + 1);
    assert.equal(classify(claimed, { secret: older, isDeleted: false, listedAt: "100" }, NOW), "deferred");
  });

  it("yes, when it is gone or lost its labels, unless that was another one of its name", () => {
    assert.equal(classify(row, { secret: aSeen(), isDeleted: true }, NOW), "drifted");
    assert.equal(classify(row, { secret: aSeen({ uid: "former" }), isDeleted: true }, NOW), "in-step");
  });

  it("yes, when another stands in its place", () => {
    assert.equal(classify(row, { secret: aSeen({ uid: "foreign" }), isDeleted: false }, NOW), "drifted");
  });

  it("yes, when it waited for the Secret and its own reference is the only one now", () => {
    const waiting = aRow({
      state: { ...EMPTY_STATE, owned: [{ name: "db" }], error: { code: "SECRET_NOT_OURS", message: "m", since: NOW } },
    });
    const own = { uid: waiting.declared.uid };
    for (const [ownerReferences, found] of [
      [[own], "drifted"],
      [[own, { uid: "other" }], "in-step"],
      [[{ uid: "other" }], "in-step"],
      [[], "in-step"],
    ] as const) {
      assert.equal(
        classify(waiting, { secret: aSeen({ ownerReferences: [...ownerReferences] }), isDeleted: false }, NOW),
        found,
      );
    }
    assert.equal(
      classify(waiting, { secret: aSeen({ ownerReferences: [own] }), isDeleted: true }, NOW),
      "in-step",
      "it is gone",
    );
    assert.equal(
      classify(waiting, { secret: aSeen({ ownerReferences: [own], name: "other" }), isDeleted: false }, NOW),
      "in-step",
    );
    const { error: _error, ...state } = waiting.state;
    assert.equal(
      classify({ ...waiting, state }, { secret: aSeen({ ownerReferences: [own] }), isDeleted: false }, NOW),
      "in-step",
    );
  });

  it("can't be said while the row is being worked on, and can once that lease ran out", () => {
    const seen = aSeen({ resourceVersion: "101", managed: other });
    assert.equal(classify(rowWith(owned, NOW + 1), { secret: seen, isDeleted: false }, NOW), "deferred");
    assert.equal(classify(rowWith(owned, NOW), { secret: seen, isDeleted: false }, NOW), "drifted");
  });

  it("no, when it is none that we know to have written: the next run looks at it anyway", () => {
    assert.equal(classify(rowWith({ name: "db" }), { secret: aSeen(), isDeleted: false }, NOW), "in-step");
    assert.equal(classify(rowWith({ ...owned, name: "other" }), { secret: aSeen(), isDeleted: true }, NOW), "in-step");
  });

  it("kubernetes-rules 6: yes, when it was waited for beside another declaration, whose reference is gone", () => {
    const own = {
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultStaticSecret",
      name: "db",
      uid: row.declared.uid,
    };
    const error = { code: "SECRET_NOT_OURS" as const, message: "", since: NOW };
    const waits = aRow({ state: { ...EMPTY_STATE, owned: [{ name: "db" }], error } });
    const handleDrift = (ownerReferences: SeenResource["ownerReferences"], seen = waits, isDeleted = false) =>
      classify(seen, { secret: aSeen({ ownerReferences }), isDeleted }, NOW);
    assert.equal(handleDrift([own]), "drifted");
    assert.equal(handleDrift([{ ...own, name: "other", uid: "other" }, own]), "in-step");
    assert.equal(handleDrift([{ ...own, uid: "other" }]), "in-step");
    assert.equal(handleDrift([own], waits, true), "in-step", "who waits is woken by its name");
    assert.equal(
      handleDrift([own], rowWith({ name: "db" })),
      "in-step",
      "its write is of unknown end, and it comes back by itself",
    );
  });

  it("belongs to the sync that its owner reference names, and to no other kind's", () => {
    const reference = {
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultStaticSecret",
      name: "db",
      uid: "u",
    };
    const owners = (...ownerReferences: SeenResource["ownerReferences"]) =>
      ownersOf("east", aSeen({ ownerReferences }));
    assert.deepEqual(owners(reference), [{ key: "east/VaultStaticSecret/shop/db", uid: "u" }]);
    assert.deepEqual(owners({ ...reference, apiVersion: "apps/v1" }), []);
    assert.deepEqual(owners({ ...reference, kind: "VaultAuth" }), []);
    assert.deepEqual(owners(), []);
    const next = { ...reference, name: "db-2", uid: "u-2" };
    assert.deepEqual(
      owners(reference, { ...reference, kind: "Deployment" }, next).map(({ uid }) => uid),
      ["u", "u-2"],
    );
  });
});

describe("kubernetes-rules 11: what counts as another version of a declaration", () => {
  const hashOf = (overrides: Partial<SeenResource>, restores?: number) =>
    declaredOf(SETTINGS, VAULT_STATIC_SECRET, aSeen({ spec: { path: "a" }, ...overrides }), restores).hash;
  const hash = hashOf({});

  it("spec, labels, annotations and deletion do", () => {
    for (const change of [
      { spec: { path: "b" } },
      { labels: { a: "b" } },
      { annotations: { a: "b" } },
      { deleting: true },
    ])
      assert.notEqual(hashOf(change), hash);
  });

  it("status, resourceVersion and kubectl's own annotation do not", () => {
    const note = { "kubectl.kubernetes.io/last-applied-configuration": "{}" };
    assert.equal(hashOf({ status: { a: 1 }, resourceVersion: "7", annotations: note }), hash);
  });

  it("lease-table 20: a restore of the cluster's etcd does", () => {
    assert.notEqual(hashOf({}, 1), hash);
    assert.notEqual(hashOf({}, 2), hashOf({}, 1));
  });

  it("lease-table 23: of a reference its spec does, and of a Secret any change", () => {
    const auth = (overrides: Partial<SeenResource>) => referenceOf("east", VAULT_AUTH, aSeen(overrides)).hash;
    assert.equal(auth({ labels: { a: "b" }, resourceVersion: "7" }), auth({}));
    assert.notEqual(auth({ spec: { mount: "other" } }), auth({}));
    const secret = (overrides: Partial<SeenResource>) => referenceOf("east", SECRET, aSeen(overrides)).hash;
    assert.notEqual(secret({ resourceVersion: "7" }), secret({}));
  });
});

describe("lease-table 18: how many may be gone at once", () => {
  it("ten, or a fifth when that is more", () => {
    const cases = [
      [10, 10, false],
      [11, 11, true],
      [11, 54, true],
      [11, 55, false],
      [20, 100, false],
      [21, 100, true],
      [0, 0, false],
    ] as const;
    for (const [gone, of, expected] of cases) assert.equal(isTooMany(gone, of), expected, `${gone} of ${of}`);
  });
});
