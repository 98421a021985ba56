import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { declaredOf } from "../../../lib/discovery/declared.ts";
import { declaredPush, isInStep } from "../../../lib/discovery/push-declared.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import { annotatedKind, type KindRef, SECRET, VAULT_PUSH_SECRET } from "../../../lib/resource-kinds.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aSeen } from "./a-seen.ts";

describe("an annotated object that is too large to store", () => {
  const preserve = "vault-sync.io/preserve-on-delete";
  const stored = (text: string) => {
    const annotations = { "vault-sync.io/path": "kv/a", "vault-sync.io/secrets": "x".repeat(70_000), [preserve]: text };
    return declaredPush({ name: "east" }, SECRET, aSeen({ annotations }), []);
  };

  it("is stored without what it says, with its size", () => {
    const { spec, tooLarge = 0 } = stored("false");
    assert.deepEqual(spec, {});
    assert.ok(tooLarge > 70_000);
    assert.equal("tooLarge" in declaredPush({ name: "east" }, SECRET, aSeen({}), []), false);
  });

  it("still says that what it pushed stays when it goes", () => {
    assert.deepEqual(stored("true").annotations, { [preserve]: "true" });
    assert.deepEqual(stored("x".repeat(70_000)).annotations, {});
  });
});

describe("an annotated object", () => {
  it("shares its messages with no other", () => {
    const groupOf = (cluster: string, kind: KindRef, namespace: string, name: string) =>
      declaredPush({ name: cluster }, kind, aSeen({ namespace, name }), []).group;
    const groups = [
      groupOf("east", SECRET, "shop", "db"),
      groupOf("west", SECRET, "shop", "db"),
      groupOf("east", VAULT_PUSH_SECRET, "shop", "db"),
      groupOf("east", SECRET, "pay", "db"),
      groupOf("east", SECRET, "shop", "api"),
    ];
    assert.equal(new Set(groups).size, groups.length);
    assert.equal(groupOf("east", SECRET, "shop", "db"), groups[0]);
  });

  it("is in step with its row until its metadata changes, or its cluster is restored once more", () => {
    const kind = annotatedKind("Deployment") ?? assert.fail();
    const seen = aSeen({ annotations: { "vault-sync.io/path": "kv/a" } });
    const mounted = [
      { name: "api", optional: true },
      { name: "db", optional: false },
    ];
    for (const restores of [undefined, 0, 1]) {
      const row = JSON.parse(JSON.stringify(declaredPush({ name: "east" }, kind, seen, mounted, restores)));
      const isKept = (changed = {}, now = restores) =>
        isInStep(row, { name: "east" }, kind, { ...seen, resourceVersion: "200", ...changed }, now);
      assert.deepEqual([isKept(), isKept({ labels: { a: "b" } }), isKept({ status: { a: 1 } })], [true, true, true]);
      const changes = [{ generation: 2 }, { uid: "other" }, { deleting: true }, { annotations: {} }];
      assert.deepEqual(
        changes.map((changed) => isKept(changed)),
        [false, false, false, false],
      );
      assert.equal(isKept({}, (restores ?? 0) + 1), false);
    }
  });
});

describe("the options by which Secrets count as mounted", () => {
  const off = { projectedVolumes: false, imagePullSecrets: false };
  const all = [off, { ...off, projectedVolumes: true }, { ...off, imagePullSecrets: true }];
  const seen = aSeen({ annotations: { "vault-sync.io/path": "kv/a" } });
  const kind = annotatedKind("Deployment") ?? assert.fail();

  it("are part of a workload's declaration when they are switched on", () => {
    for (const push of all) {
      const row = declaredPush({ name: "east", push }, kind, seen, []);
      const inStep = all.filter((now) => isInStep(row, { name: "east", push: now }, kind, seen));
      assert.deepEqual(inStep, [push]);
    }
    const former = declaredPush({ name: "east" }, kind, seen, []);
    assert.deepEqual(declaredPush({ name: "east", push: off }, kind, seen, []), former);
    assert.deepEqual(former.spec, { mounted: [] });
  });

  it("are nothing to a Secret", () => {
    const hashes = all.map((push) => declaredPush({ name: "east", push }, SECRET, seen, []).hash);
    assert.equal(new Set(hashes).size, 1);
  });
});

describe("a VaultPushSecret", () => {
  const cluster = { name: "east", operatorNamespace: "operator" } as ClusterSettings;
  const stored = (spec: JsonObject, name = "db") => declaredOf(cluster, VAULT_PUSH_SECRET, aSeen({ spec, name }));

  it("that is too large to store still says what becomes of what it pushed", () => {
    const { spec, tooLarge = 0 } = stored({ deletion: "preserve", identity: "a", more: "x".repeat(300_000) });
    assert.deepEqual(spec, { deletion: "preserve", identity: "a" });
    assert.ok(tooLarge > 300_000);
  });

  it("shares its messages with no other", () => {
    assert.notEqual(stored({}).group, stored({}, "other").group);
  });
});
