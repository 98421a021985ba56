import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { type ReferenceKey, syncKey } from "../../../../lib/keys.ts";
import { resolveStaticSecret } from "../../../../lib/kinds/static/resolve.ts";
import type { Reference } from "../../../../lib/ports/rows.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aCluster, aDeclared } from "../../../builders.ts";
import {
  CONNECTION,
  DEFAULTS,
  EAST,
  fails,
  KUBERNETES,
  type Objects,
  ref,
  resolution,
  resolved,
  STATIC,
  world,
} from "./resolved.ts";

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
