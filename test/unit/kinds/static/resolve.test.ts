import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupOf } from "../../../../lib/declarations/source.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { type ReferenceKey, referenceKey, syncKey } from "../../../../lib/keys.ts";
import { type ResolvedStaticSecret, resolveStaticSecret } from "../../../../lib/kinds/static/resolve.ts";
import type { Reference } from "../../../../lib/ports/rows.ts";
import { readId } from "../../../../lib/ports/vault-ids.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aCluster, aDeclared } from "../../../builders.ts";

const EAST = aCluster();

const STATIC = { type: "kv-v2", mount: "kv", path: "app", destination: { name: "app", create: true } };
const KUBERNETES = {
  method: "kubernetes",
  mount: "kubernetes",
  kubernetes: { role: "shop", serviceAccount: "default" },
};
const CONNECTION = { address: "https://Vault.example:8200/" };

type Objects = Readonly<Record<string, JsonObject>>;

/** Objects by `Kind/namespace/name`. */
function world(objects: Objects, versions: Readonly<Record<string, string>> = {}) {
  return (key: ReferenceKey): Reference | undefined => {
    const name = key.slice("east/".length);
    const spec = objects[name];
    if (spec === undefined) return undefined;
    return {
      key,
      uid: `uid of ${name}`,
      generation: 1,
      hash: versions[name] ?? "h",
      labels: {},
      annotations: {},
      spec,
    };
  };
}

const DEFAULTS: Objects = { "VaultAuth/vso/default": KUBERNETES, "VaultConnection/vso/default": CONNECTION };

function resolution(spec: JsonObject, objects: Objects, cluster = EAST, versions = {}) {
  const key = syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: "shop", name: "app" });
  return resolveStaticSecret({
    declared: aDeclared({ key, uid: "u1", spec }),
    cluster,
    reference: world(objects, versions),
  });
}

function resolved(spec: JsonObject, objects: Objects, cluster = EAST, versions = {}): ResolvedStaticSecret {
  const { outcome } = resolution(spec, objects, cluster, versions);
  if (outcome instanceof SyncError) throw outcome;
  return outcome;
}

function fails(
  spec: JsonObject,
  objects: Objects,
  code: ErrorCode,
  message: RegExp,
  cluster = EAST,
): readonly string[] {
  const { refs, outcome } = resolution(spec, objects, cluster);
  assert.ok(outcome instanceof SyncError, "it resolved");
  assert.equal(outcome.code, code, outcome.message);
  assert.match(outcome.message, message);
  return refs;
}

const ref = (kind: string, namespace: string, name: string) => referenceKey({ cluster: "east", kind, namespace, name });

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

describe("references", () => {
  it("are parsed once, however many syncs of a batch share them", () => {
    let reads = 0;
    const spec = { ...CONNECTION };
    Object.defineProperty(spec, "address", { enumerable: true, get: () => [CONNECTION.address, ++reads][0] });
    const known = new Map<ReferenceKey, Reference | undefined>();
    const find = world({ ...DEFAULTS, "VaultConnection/vso/default": spec });
    const reference = (key: ReferenceKey) => known.get(key) ?? known.set(key, find(key)).get(key);
    const names = ["a", "b", "c"];
    for (const name of names) {
      const key = syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: "shop", name });
      const { outcome } = resolveStaticSecret({ declared: aDeclared({ key, spec: STATIC }), cluster: EAST, reference });
      assert.ok(!(outcome instanceof SyncError), String(outcome));
    }
    assert.equal(reads, 1);
  });

  const at = (auth: string, connection: string): Objects => ({
    [`VaultAuth/${auth}`]: { ...KUBERNETES, allowedNamespaces: ["*"] },
    [`VaultConnection/${connection}`]: CONNECTION,
  });
  const withConnection = (objects: Objects, auth: string, vaultConnectionRef: string): Objects => ({
    ...objects,
    [`VaultAuth/${auth}`]: { ...objects[`VaultAuth/${auth}`], vaultConnectionRef },
  });

  it('finds "", "name" and "namespace/name"', () => {
    resolved(STATIC, at("vso/default", "vso/default"));
    resolved({ ...STATIC, vaultAuthRef: "mine" }, at("shop/mine", "vso/default"));
    resolved({ ...STATIC, vaultAuthRef: "other/mine" }, at("other/mine", "vso/default"));
    const named = withConnection(at("other/mine", "other/c"), "other/mine", "c");
    resolved({ ...STATIC, vaultAuthRef: "other/mine" }, named);
    resolved({ ...STATIC, vaultAuthRef: "mine" }, withConnection(at("shop/mine", "third/c"), "shop/mine", "third/c"));
  });

  it("refuses more slashes, in the declaration and in what it refers to", () => {
    fails({ ...STATIC, vaultAuthRef: "a/b/c" }, DEFAULTS, "SPEC_INVALID", /spec\.vaultAuthRef: is an invalid name/);
    const objects = withConnection(DEFAULTS, "vso/default", "a/b/c");
    fails(STATIC, objects, "REFERENCE_INVALID", /VaultAuth vso\/default is not valid: spec\.vaultConnectionRef/);
  });

  it("lease-table 23: remembers what is missing, so that it wakes the sync when it appears", () => {
    const noAuth = fails(
      STATIC,
      {},
      "REFERENCE_MISSING",
      /VaultAuth vso\/default was not found in cluster east \(spec\.vaultAuthRef is empty/,
    );
    assert.deepEqual(noAuth, [ref("VaultAuth", "vso", "default")]);
    const auth = { "VaultAuth/shop/mine": { ...KUBERNETES, vaultConnectionRef: "c" } };
    const spec = { ...STATIC, vaultAuthRef: "mine" };
    const noConnection = fails(spec, auth, "REFERENCE_MISSING", /VaultConnection shop\/c was not found/);
    assert.deepEqual(noConnection, [ref("VaultAuth", "shop", "mine"), ref("VaultConnection", "shop", "c")]);
  });

  it("says of a reference in a namespace that fleet.yaml leaves out that nobody looks there", () => {
    const named = aCluster({ namespaces: { include: ["shop", "pay"], exclude: ["pay"] } });
    const says = (spec: JsonObject, objects: Objects, message: RegExp, cluster = named) => {
      const { outcome, refs } = resolution({ ...STATIC, ...spec }, objects, cluster);
      assert.ok(outcome instanceof SyncError && outcome.code === "REFERENCE_MISSING");
      assert.match(outcome.message, message);
      assert.ok(refs.length > 0);
    };
    const left =
      /VaultAuth infra\/a can't be seen \(named by .*\): fleet\.yaml leaves out namespace infra of cluster east\. Add it/;
    says({ vaultAuthRef: "infra/a" }, {}, left);
    says({ vaultAuthRef: "pay/a" }, {}, /leaves out namespace pay /);
    says({ vaultAuthRef: "infra/a" }, {}, /VaultAuth infra\/a was not found .*create it/, EAST);
    says({ vaultAuthRef: "shop/a" }, {}, /VaultAuth shop\/a was not found .*create it/);
    says({}, {}, /VaultAuth vso\/default was not found .*create it/);
    const auth = { "VaultAuth/shop/a": { ...KUBERNETES, vaultConnectionRef: "infra/c" } };
    says({ vaultAuthRef: "shop/a" }, auth, /VaultConnection infra\/c can't be seen /);
    const transformation = { transformationRefs: [{ namespace: "infra", name: "t" }] };
    const destination = { name: "app", create: true, transformation };
    says({ destination }, DEFAULTS, /SecretTransformation infra\/t can't be seen /);
  });

  it("lease-table 23: remembers the Secrets with credentials and CA, in the namespaces they are looked up in", () => {
    const objects = {
      "VaultAuth/vso/default": {
        method: "appRole",
        mount: "approle",
        vaultConnectionRef: "infra/c",
        appRole: { roleId: "r", secretRef: "approle" },
      },
      "VaultConnection/infra/c": { ...CONNECTION, caCertSecretRef: "vault-ca", timeout: "5s", tlsServerName: "vault" },
    };
    const { refs } = resolution(STATIC, objects);
    assert.deepEqual(refs.toSorted(), [
      ref("Secret", "infra", "vault-ca"),
      ref("Secret", "shop", "approle"),
      ref("VaultAuth", "vso", "default"),
      ref("VaultConnection", "infra", "c"),
    ]);
    const {
      asks: { identity },
    } = resolved(STATIC, objects);
    const approle = { kind: "secret", cluster: "east", namespace: "shop", name: "approle", key: "id" };
    assert.deepEqual(identity.method, { kind: "appRole", roleId: "r", credential: approle });
    assert.deepEqual(identity.target, {
      address: "https://vault.example:8200",
      cluster: "east",
      connection: "infra/c",
      headers: {},
      tlsServerName: "vault",
      caRef: { kind: "secret", cluster: "east", namespace: "infra", name: "vault-ca", key: "ca.crt" },
      skipTlsVerify: false,
      timeoutMs: 5_000,
      place: "east/shop",
    });
  });

  it("gives a request the time that the VaultConnection says, within bounds", () => {
    const timeOf = (timeout: string) =>
      resolved(STATIC, { ...DEFAULTS, "VaultConnection/vso/default": { ...CONNECTION, timeout } }).asks.identity.target
        .timeoutMs;
    assert.deepEqual(["5s", "0s", "60s", "61s"].map(timeOf), [5_000, 8_000, 60_000, 60_000]);
  });

  it("does not wait for a CA that nobody looks at", () => {
    const connection = { ...CONNECTION, caCertSecretRef: "vault-ca", skipTLSVerify: true };
    const { refs } = resolution(STATIC, { ...DEFAULTS, "VaultConnection/vso/default": connection });
    assert.deepEqual(refs, [ref("VaultAuth", "vso", "default"), ref("VaultConnection", "vso", "default")]);
  });

  it("logs in by jwt with a service account or with a Secret of the declaration's namespace", () => {
    const jwt = (block: JsonObject): Objects => ({
      ...DEFAULTS,
      "VaultAuth/vso/default": { method: "jwt", mount: "jwt", namespace: "team/", jwt: { role: "r", ...block } },
    });
    const bySecret = resolved(STATIC, jwt({ secretRef: "token" })).asks.identity;
    assert.equal(bySecret.namespace, "team");
    assert.deepEqual(bySecret.method, {
      kind: "jwt",
      role: "r",
      credential: { kind: "secret", cluster: "east", namespace: "shop", name: "token", key: "jwt" },
    });
    const byAccount = resolved(STATIC, jwt({ serviceAccount: "sa", audiences: ["vault"], secretRef: "token" })).asks
      .identity;
    assert.equal(byAccount.method.credential.kind, "serviceAccount");
    fails(
      STATIC,
      jwt({}),
      "REFERENCE_INVALID",
      /VaultAuth vso\/default is not valid: spec\.jwt: needs serviceAccount or secretRef/,
    );
  });

  it("says what a VaultAuth lacks, all at once", () => {
    const auth = (spec: JsonObject): Objects => ({ ...DEFAULTS, "VaultAuth/vso/default": spec });
    const nothing = /spec\.kubernetes\.role: required; spec\.kubernetes\.serviceAccount: required/;
    fails(STATIC, auth({ method: "kubernetes", mount: "k" }), "REFERENCE_INVALID", nothing);
    fails(STATIC, auth({ mount: "k" }), "REFERENCE_INVALID", /spec\.method: required/);
    fails(STATIC, auth({ ...KUBERNETES, mount: "" }), "REFERENCE_INVALID", /spec\.mount: required/);
    fails(
      STATIC,
      auth({ ...KUBERNETES, mount: "a/../b" }),
      "REFERENCE_INVALID",
      /spec\.mount: must not have a segment/,
    );
  });
});

describe("who may use a VaultAuth", () => {
  const allowing = (...allowedNamespaces: readonly string[]): Objects => ({
    ...DEFAULTS,
    "VaultAuth/other/a": { ...KUBERNETES, vaultConnectionRef: "vso/default", allowedNamespaces },
  });
  const spec = { ...STATIC, vaultAuthRef: "other/a" };

  it("takes an exact match and a lone star", () => {
    resolved(spec, allowing("shop"));
    resolved(spec, allowing("x", "shop"));
    resolved(spec, allowing("*"));
  });

  it("refuses an empty list, globs, and a star among others", () => {
    for (const list of [[], ["sh*"], ["*", "x"], ["Shop"]]) {
      const refs = fails(
        spec,
        allowing(...list),
        "REFERENCE_NOT_ALLOWED",
        /VaultAuth other\/a does not allow namespace shop/,
      );
      assert.deepEqual(refs, [ref("VaultAuth", "other", "a")]);
    }
  });

  it("asks nothing of its own namespace and of the operator's default", () => {
    resolved(
      { ...STATIC, vaultAuthRef: "a" },
      { ...DEFAULTS, "VaultAuth/shop/a": { ...KUBERNETES, vaultConnectionRef: "vso/default" } },
    );
    resolved({ ...STATIC, vaultAuthRef: "vso/default" }, DEFAULTS);
    fails(
      { ...STATIC, vaultAuthRef: "vso/a" },
      { ...DEFAULTS, "VaultAuth/vso/a": KUBERNETES },
      "REFERENCE_NOT_ALLOWED",
      /vso\/a/,
    );
  });
});

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
