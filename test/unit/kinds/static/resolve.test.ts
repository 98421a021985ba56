import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupOf } from "../../../../lib/declarations/source.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { syncKey } from "../../../../lib/keys.ts";
import { resolveStaticSecret } from "../../../../lib/kinds/static/resolve.ts";
import { readId } from "../../../../lib/ports/vault-ids.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aDeclared } from "../../../builders.ts";
import {
  CONNECTION,
  DEFAULTS,
  EAST,
  fails,
  type Objects,
  ref,
  resolution,
  resolved,
  STATIC,
  world,
} from "./resolved.ts";

describe("resolving a VaultStaticSecret", () => {
  it("refuses one that was too large to store, whatever is left of it", () => {
    const key = syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: "shop", name: "app" });
    const { outcome } = resolveStaticSecret({
      declared: aDeclared({ key, uid: "u1", tooLarge: 400_000 }),
      ...{ cluster: EAST, reference: world(DEFAULTS) },
    });
    assert.ok(outcome instanceof SyncError && outcome.code === "SPEC_INVALID");
    assert.match(outcome.message, /400000 bytes, too many to store/);
  });

  it("puts declaration, VaultAuth and VaultConnection together", () => {
    const { refs } = resolution(STATIC, DEFAULTS);
    assert.deepEqual(refs, [ref("VaultAuth", "vso", "default"), ref("VaultConnection", "vso", "default")]);
    const value = resolved({ ...STATIC, refreshAfter: "30s", version: 3, namespace: "/team/" }, DEFAULTS);
    const by = syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: "shop", name: "app" });
    assert.deepEqual(value, {
      asks: {
        identity: {
          id: value.asks.identity.id,
          target: {
            address: "https://vault.example:8200",
            cluster: "east",
            connection: "vso/default",
            headers: {},
            skipTlsVerify: false,
            timeoutMs: 8_000,
            place: "east/shop",
          },
          mount: "kubernetes",
          headers: {},
          method: {
            kind: "kubernetes",
            role: "shop",
            credential: {
              kind: "serviceAccount",
              cluster: "east",
              namespace: "shop",
              name: "default",
              audiences: [],
              expirationSeconds: 600,
            },
          },
        },
        place: { vault: "https://vault.example:8200", path: "team/kv/app", role: "read" },
        circuit: "vault:https://vault.example:8200",
        id: readId(value.read),
      },
      read: {
        identity: value.asks.identity,
        by,
        namespace: "team",
        mount: "kv",
        path: "app",
        engine: "kv-v2",
        version: 3,
      },
      destination: {
        name: "app",
        create: true,
        overwrite: false,
        type: "Opaque",
        labels: {
          "app.kubernetes.io/component": "secret-sync",
          "app.kubernetes.io/managed-by": "hashicorp-vso",
          "app.kubernetes.io/name": "vault-secrets-operator",
          "secrets.hashicorp.com/vso-ownerRefUID": "u1",
        },
        annotations: {},
      },
      refreshAfterMs: 30_000,
      hmac: true,
      transformation: { excludeRaw: false, templates: [], includes: [], excludes: [], missingKey: "default" },
      decodesBase64: false,
      instantUpdates: false,
      rolloutTargets: [],
    });
  });

  it("takes the owner's labels over the declared ones, and none for a Secret that is not ours", () => {
    const labels = { team: "a", "app.kubernetes.io/managed-by": "me" };
    const owned = resolved({ ...STATIC, destination: { name: "app", create: true, labels } }, DEFAULTS).destination;
    assert.equal(owned.labels.team, "a");
    assert.equal(owned.labels["app.kubernetes.io/managed-by"], "hashicorp-vso");
    const others = resolved({ ...STATIC, destination: { name: "app", labels, overwrite: true } }, DEFAULTS).destination;
    assert.deepEqual([others.labels, others.overwrite], [{}, false]);
  });

  it("refreshes as often as is declared, or as VSO does where nothing is said", () => {
    const refresh = (more: JsonObject) => resolved({ ...STATIC, ...more }, DEFAULTS).refreshAfterMs;
    assert.equal(refresh({}), 60_000);
    assert.equal(refresh({ refreshAfter: "0s" }), 60_000);
    assert.equal(refresh({ hmacSecretData: false }), undefined);
    assert.equal(refresh({ hmacSecretData: false, refreshAfter: "1h" }), 3_600_000);
  });

  it("reads version only of kv-v2", () => {
    assert.equal(resolved({ ...STATIC, type: "kv-v1", version: 3 }, DEFAULTS).read.version, 0);
  });

  it("takes a slash at either end of mount and path for none", () => {
    const plain = resolved(STATIC, DEFAULTS);
    const slashes = resolved({ ...STATIC, mount: "kv/", path: "/app" }, DEFAULTS);
    assert.deepEqual([slashes.read.mount, slashes.read.path], ["kv", "app"]);
    assert.deepEqual(slashes.asks.place, plain.asks.place);
  });
});

describe("transformation", () => {
  const declared = (transformation: JsonObject) => ({
    ...STATIC,
    destination: { name: "app", create: true, transformation },
  });

  it("leaves _raw out of all Secrets of a cluster that says so", () => {
    const without = { ...EAST, globalTransformationOptions: { excludeRaw: true } };
    for (const excludeRaw of [true, false]) {
      assert.equal(resolved(declared({ excludeRaw }), DEFAULTS, without).transformation.excludeRaw, true);
      assert.equal(resolved(declared({ excludeRaw }), DEFAULTS).transformation.excludeRaw, excludeRaw);
    }
  });

  it("lease-table 23: remembers each SecretTransformation, found or missing, in whatever namespace, all in one step", () => {
    const transformationRefs = [{ name: "a" }, { namespace: "other", name: "b" }];
    const both = {
      ...DEFAULTS,
      "SecretTransformation/shop/a": { includes: ["x"] },
      "SecretTransformation/other/b": { templates: { k: { text: "t" } } },
    };
    const named = ["east/SecretTransformation/shop/a", "east/SecretTransformation/other/b"];
    const found = resolution(declared({ transformationRefs }), both);
    assert.ok(!(found.outcome instanceof SyncError));
    assert.deepEqual(found.outcome.transformation.templates, [{ name: "other/b/k", key: "k", text: "t" }]);
    for (const { refs } of [found, resolution(declared({ transformationRefs }), DEFAULTS)]) {
      assert.deepEqual(
        refs.filter((ref) => ref.includes("SecretTransformation")),
        named,
      );
    }
    const missing = /SecretTransformation shop\/a was not found in cluster east/;
    fails(declared({ transformationRefs }), DEFAULTS, "REFERENCE_MISSING", missing);
    const wrong = { ...DEFAULTS, "SecretTransformation/shop/a": { templates: { k: { name: "n" } } } };
    fails(declared({ transformationRefs }), wrong, "REFERENCE_INVALID", /spec\.templates\.k\.text/);
  });
});

describe("what is declared beside the data", () => {
  const aSpec = (destination: JsonObject, more: JsonObject = {}) => ({
    ...STATIC,
    ...more,
    destination: { name: "app", create: true, ...destination },
  });

  it("names each workload to restart once, and none without a MAC", () => {
    const [app, worker] = [
      { kind: "Deployment", name: "app" },
      { kind: "argo.Rollout", name: "app" },
    ];
    const rolloutRestartTargets = [app, worker, app];
    assert.deepEqual(resolved(aSpec({}, { rolloutRestartTargets }), DEFAULTS).rolloutTargets, [app, worker]);
    const without = { rolloutRestartTargets, hmacSecretData: false };
    assert.deepEqual(resolved(aSpec({}, without), DEFAULTS).rolloutTargets, []);
  });

  it("does no harm when it is empty, or only excludeRaw, or instantUpdates", () => {
    const transformation = { templates: {}, transformationRefs: [], includes: [], excludes: [], excludeRaw: true };
    const value = resolved(
      aSpec({ transformation }, { rolloutRestartTargets: [], syncConfig: { instantUpdates: true } }),
      DEFAULTS,
    );
    assert.deepEqual(value.transformation, {
      excludeRaw: true,
      templates: [],
      includes: [],
      excludes: [],
      missingKey: "default",
    });
  });

  it("parks what has no meaning outside the cluster", () => {
    const auth = (spec: JsonObject): Objects => ({ ...DEFAULTS, "VaultAuth/vso/default": spec });
    const file = { method: "appRole", mount: "a", appRole: { roleId: "r", secretIDPath: "/x" } };
    fails(STATIC, auth(file), "UNSUPPORTED", /secretIDPath/);
    const connection = { "VaultConnection/vso/default": { ...CONNECTION, caCertPath: "/ca.pem" } };
    const refs = fails(STATIC, { ...DEFAULTS, ...connection }, "UNSUPPORTED", /caCertPath/);
    assert.equal(refs.length, 2);
  });
});

describe("groups (lease-table 11)", () => {
  const group = (spec: JsonObject, namespace = "shop") => groupOf(EAST, { kind: "VaultStaticSecret", namespace, spec });

  it("are the same for syncs that can share a read", () => {
    assert.equal(group({ ...STATIC, destination: { name: "x" }, refreshAfter: "1h" }), group(STATIC));
    assert.equal(group({ ...STATIC, vaultAuthRef: "vso/default", mount: "kv/" }), group(STATIC));
    assert.equal(group({ ...STATIC, vaultAuthRef: "a" }), group({ ...STATIC, vaultAuthRef: "shop/a" }));
  });

  it("differ by identity, Vault namespace and path, and never fail", () => {
    const groups = [
      group(STATIC),
      group(STATIC, "b"),
      group({ ...STATIC, path: "b" }),
      group({ ...STATIC, namespace: "b" }),
      group({}),
    ];
    assert.equal(new Set(groups).size, groups.length);
    group({ vaultAuthRef: "a/b/c", mount: 3, path: null });
  });
});
