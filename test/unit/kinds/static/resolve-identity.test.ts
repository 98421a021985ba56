import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { type ReferenceKey, syncKey } from "../../../../lib/keys.ts";
import { resolveStaticSecret } from "../../../../lib/kinds/static/resolve.ts";
import type { Reference } from "../../../../lib/ports/rows.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aCluster, aDeclared } from "../../../builders.ts";
import { DEFAULTS, EAST, fails, KUBERNETES, resolved, STATIC, world } from "./resolved.ts";

describe("the fleet's overrides", () => {
  const cluster = aCluster({ vault: { address: "http://outside:8200/", authMount: "kubernetes-east" } });

  it("replace address and mount as seen from outside", () => {
    const value = resolved(STATIC, DEFAULTS, cluster);
    assert.equal(value.asks.identity.target.address, "http://outside:8200");
    assert.equal(value.asks.circuit, "vault:http://outside:8200");
    assert.equal(value.asks.identity.mount, "kubernetes-east");
  });

  it("give the mount of logins by a cluster's own tokens, and it is required where they do not", () => {
    const jwt = { method: "jwt", jwt: { role: "shop", serviceAccount: "default" } };
    const { mount: _mount, ...kubernetes } = KUBERNETES;
    for (const auth of [jwt, kubernetes]) {
      const objects = { ...DEFAULTS, "VaultAuth/vso/default": auth };
      const ours = { ...EAST, vault: { authMount: "/of-the-cluster/" } };
      assert.equal(resolved(STATIC, objects, ours).asks.identity.mount, "of-the-cluster");
      fails(STATIC, objects, "REFERENCE_INVALID", /VaultAuth vso\/default is not valid: spec\.mount: required/);
    }
  });

  it("leave the mount of an AppRole alone, which no cluster has of its own", () => {
    const auth = { method: "appRole", mount: "approle", appRole: { roleId: "r", secretRef: "s" } };
    assert.equal(
      resolved(STATIC, { ...DEFAULTS, "VaultAuth/vso/default": auth }, cluster).asks.identity.mount,
      "approle",
    );
  });
});

describe("an identity's id", () => {
  const id = (spec = STATIC, objects = DEFAULTS, cluster = EAST, versions = {}) =>
    resolved(spec, objects, cluster, versions).asks.identity.id;

  it("is the same for declarations that log in alike", () => {
    assert.equal(id({ ...STATIC, path: "other" }), id());
  });

  it("differs by every version, namespace, provider and override", () => {
    const ids = [
      id(),
      id(STATIC, DEFAULTS, EAST, { "VaultAuth/vso/default": "h2" }),
      id(STATIC, DEFAULTS, EAST, { "VaultConnection/vso/default": "h2" }),
      id(STATIC, {
        ...DEFAULTS,
        "VaultAuth/vso/default": { ...KUBERNETES, kubernetes: { role: "shop", serviceAccount: "b" } },
      }),
      id(STATIC, DEFAULTS, { ...EAST, vault: { address: "http://outside" } }),
      id(STATIC, DEFAULTS, { ...EAST, vault: { authMount: "m" } }),
    ];
    assert.equal(new Set(ids).size, ids.length);
  });

  it("differs by what a VaultAuthGlobal adds, which is no part of those versions", () => {
    const mergeStrategy = { headers: "union" };
    const naming = { vaultAuthGlobalRef: { name: "default", namespace: "vso", mergeStrategy } };
    const global = { defaultMount: "k8s", defaultAuthMethod: "kubernetes", kubernetes: KUBERNETES.kubernetes };
    const by = (more: JsonObject, cluster = EAST) =>
      id(
        STATIC,
        { ...DEFAULTS, "VaultAuth/vso/default": naming, "VaultAuthGlobal/vso/default": { ...global, ...more } },
        cluster,
      );
    const ids = [
      by({}),
      by({ headers: { "X-Team": "a" } }),
      by({ headers: { "X-Team": "b" } }),
      by({ defaultMount: "other" }),
      by({ defaultVaultNamespace: "team" }),
      by({ kubernetes: { ...global.kubernetes, role: "admin" } }),
      by({ kubernetes: { ...global.kubernetes, serviceAccount: "b" } }),
      by({ kubernetes: { ...global.kubernetes, audiences: ["vault"] } }),
      // Copies of a cluster may have the same uids.
      by({}, { ...EAST, name: "west" }),
    ];
    assert.equal(new Set(ids).size, ids.length);
  });

  it("differs by the namespace whose credential it is", () => {
    const objects = { ...DEFAULTS, "VaultAuth/vso/default": { ...KUBERNETES, allowedNamespaces: ["*"] } };
    const from = (namespace: string) => {
      const key = syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace, name: "app" });
      const declared = aDeclared({ key, uid: "u1", spec: STATIC });
      const { outcome } = resolveStaticSecret({ declared, cluster: EAST, reference: world(objects) });
      return outcome instanceof SyncError ? outcome.message : outcome.asks.identity.id;
    };
    assert.notEqual(from("shop"), from("pay"));
  });

  it("stays when its credential has another version, which is told", () => {
    const auth = { method: "appRole", mount: "approle", appRole: { roleId: "r", secretRef: "approle" } };
    const objects = { ...DEFAULTS, "VaultAuth/vso/default": auth, "Secret/shop/approle": {} };
    const by = (versions: Readonly<Record<string, string>>) => resolved(STATIC, objects, EAST, versions).asks.identity;
    const [one, other] = [by({}), by({ "Secret/shop/approle": "h2" })];
    assert.equal(one.id, other.id);
    const place = { kind: "secret", cluster: "east", namespace: "shop", name: "approle", key: "id" };
    assert.deepEqual(one.method.credential, { ...place, version: "uid of Secret/shop/approle/h" });
    assert.deepEqual(other.method.credential, { ...place, version: "uid of Secret/shop/approle/h2" });
  });

  it("differs while its credential is known to be gone, each time by what is gone", () => {
    const auth = { method: "appRole", mount: "approle", appRole: { roleId: "r", secretRef: "approle" } };
    const reference = world({ ...DEFAULTS, "VaultAuth/vso/default": auth, "Secret/shop/approle": {} });
    const by = (changed: Partial<Reference>) => {
      const key = syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: "shop", name: "app" });
      const seen = (one: ReferenceKey): Reference | undefined => {
        const found = reference(one);
        return found && one.includes("/Secret/") ? { ...found, ...changed } : found;
      };
      const declared = aDeclared({ key, uid: "u1", spec: STATIC });
      const { outcome } = resolveStaticSecret({ declared, cluster: EAST, reference: seen });
      return outcome instanceof SyncError ? outcome.message : outcome.asks.identity.id;
    };
    const gone = by({ hash: "gone", isGone: true });
    assert.notEqual(gone, by({}));
    assert.notEqual(gone, by({ hash: "gone", isGone: true, uid: "another" }));
  });
});
