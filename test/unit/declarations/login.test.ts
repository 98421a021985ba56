import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster } from "../../builders.ts";
import { account, fails, identity, login, mine, type Objects } from "./logged-in.ts";

describe("a VaultAuth that names a VaultAuthGlobal", () => {
  const GLOBAL = {
    defaultAuthMethod: "kubernetes",
    defaultMount: "k8s",
    defaultVaultNamespace: "team/",
    headers: { "X-A": "1" },
    kubernetes: { role: "shop", serviceAccount: "sa" },
  };
  const naming = (vaultAuthGlobalRef: JsonObject) => mine({ vaultAuthGlobalRef });

  it("logs in with what both say together", () => {
    const vaultAuthGlobalRef = { name: "g", mergeStrategy: { headers: "union" } };
    const auth = mine({ vaultAuthGlobalRef, headers: { "X-B": "2" }, kubernetes: { role: "own" } });
    const { namespace, mount, headers, method } = identity({ ...auth, "VaultAuthGlobal/shop/g": GLOBAL });
    assert.deepEqual([namespace, mount, headers], ["team", "k8s", { "X-A": "1", "X-B": "2" }]);
    assert.deepEqual(method, { kind: "kubernetes", role: "own", credential: account("sa", [], 600) });
  });

  it("finds it by name, in its own namespace when none is given", () => {
    identity({ ...naming({ name: "g" }), "VaultAuthGlobal/shop/g": GLOBAL });
    const elsewhere = { ...GLOBAL, allowedNamespaces: ["shop"] };
    identity({ ...naming({ name: "g", namespace: "other" }), "VaultAuthGlobal/other/g": elsewhere });
    const missing =
      /VaultAuthGlobal shop\/g was not found in cluster east .*vaultAuthGlobalRef of VaultAuth shop\/mine/;
    const asked = fails(naming({ name: "g" }), "REFERENCE_MISSING", missing);
    assert.deepEqual(asked, ["VaultAuth/shop/mine", "VaultAuthGlobal/shop/g"]);
  });

  it("lease-table 23: finds the default here, then the operator's, and remembers both", () => {
    const auth = naming({ allowDefault: true });
    const both = { ...auth, "VaultAuthGlobal/vso/default": { ...GLOBAL, defaultMount: "operators" } };
    const { identity: found, asked } = login(both);
    assert.equal(found?.mount, "operators");
    assert.deepEqual(asked.slice(1, 3), ["VaultAuthGlobal/shop/default", "VaultAuthGlobal/vso/default"]);
    assert.equal(identity({ ...both, "VaultAuthGlobal/shop/default": GLOBAL }).mount, "k8s");
    const missing = /VaultAuthGlobal shop\/default or VaultAuthGlobal vso\/default was not found/;
    assert.equal(fails(auth, "REFERENCE_MISSING", missing).length, 3);
    const given = naming({ allowDefault: true, namespace: "other" });
    assert.equal(fails({ ...both, ...given }, "REFERENCE_MISSING", /VaultAuthGlobal other\/default was not/).length, 2);
  });

  it("needs a name, or allowDefault", () => {
    const objects = { ...naming({ allowDefault: false }), "VaultAuthGlobal/vso/default": GLOBAL };
    fails(objects, "REFERENCE_INVALID", /spec\.vaultAuthGlobalRef\.name: required, unless allowDefault is true/);
  });

  it("is allowed by the VaultAuth's namespace, not by the resource's", () => {
    const auth = { vaultAuthGlobalRef: { name: "g", namespace: "infra" }, allowedNamespaces: ["shop"] };
    const objects = (...allowedNamespaces: string[]) => ({
      "VaultAuth/other/a": { ...auth, vaultConnectionRef: "vso/default" },
      "VaultAuthGlobal/infra/g": { ...GLOBAL, allowedNamespaces },
    });
    identity(objects("other"), "other/a");
    identity(objects("*"), "other/a");
    const refused = /VaultAuthGlobal infra\/g does not allow namespace other/;
    for (const list of [[], ["shop"], ["*", "x"]]) fails(objects(...list), "REFERENCE_NOT_ALLOWED", refused, "other/a");
    assert.deepEqual(login(objects("shop"), "other/a").error?.lacks, { namespace: "other" });
  });

  it("lets the operator's default in without asking", () => {
    identity({ ...naming({ name: "default", namespace: "vso" }), "VaultAuthGlobal/vso/default": GLOBAL });
  });

  it("resolves the global's connection from the VaultAuth's namespace", () => {
    const objects = {
      "VaultAuth/shop/mine": { vaultAuthGlobalRef: { name: "g", namespace: "infra" } },
      "VaultAuthGlobal/infra/g": { ...GLOBAL, allowedNamespaces: ["*"], vaultConnectionRef: "c" },
      "VaultConnection/shop/c": { address: "http://of-the-shop:8200" },
    };
    assert.equal(identity(objects).target.address, "http://of-the-shop:8200");
  });

  it("says which of both it complains of", () => {
    const objects = { ...naming({ name: "g" }), "VaultAuthGlobal/shop/g": { defaultMount: "k8s" } };
    fails(objects, "REFERENCE_INVALID", /VaultAuth shop\/mine with VaultAuthGlobal shop\/g is not valid: spec\.method/);
    const broken = { ...naming({ name: "g" }), "VaultAuthGlobal/shop/g": { headers: { "X-Vault-Namespace": "x" } } };
    fails(
      broken,
      "REFERENCE_INVALID",
      /VaultAuthGlobal shop\/g is not valid: spec\.headers.*X-Vault-Namespace.*not allowed/,
    );
  });

  it("gets another token when the global changes what is logged in with, and no other when it doesn't", () => {
    const id = (more: JsonObject) =>
      identity({ ...naming({ name: "g" }), "VaultAuthGlobal/shop/g": { ...GLOBAL, ...more } }).id;
    assert.equal(id({ allowedNamespaces: ["x"], params: { a: "1" } }), id({}));
    const ids = [id({}), id({ defaultMount: "b" }), id({ defaultVaultNamespace: "b" })];
    ids.push(id({ kubernetes: { role: "b", serviceAccount: "sa" } }));
    assert.equal(new Set(ids).size, ids.length);
  });
});

it("a login sends the headers of its VaultConnection with every request, those of its VaultAuth with the login", () => {
  const connection = { address: "https://vault.example:8200", headers: { "X-A": "1" } };
  const auth = {
    method: "kubernetes",
    mount: "k",
    headers: { "X-B": "2" },
    kubernetes: { role: "r", serviceAccount: "s" },
  };
  const { target, headers } = identity({ ...mine(auth), "VaultConnection/vso/default": connection });
  assert.deepEqual([target.headers, headers], [{ "X-A": "1" }, { "X-B": "2" }]);
});

describe("a VaultAuth of another namespace", () => {
  const AUTH = {
    method: "kubernetes",
    mount: "k",
    vaultConnectionRef: "vso/default",
    kubernetes: { role: "r", serviceAccount: "s" },
  };

  it("is anybody's where it is the operator's default, and nobody else's where it does not say so", () => {
    assert.equal(identity({ "VaultAuth/vso/default": AUTH }, "vso/default").mount, "k");
    for (const place of ["vso/other", "web/default", "web/other"]) {
      const refused = new RegExp(`VaultAuth ${place} does not allow namespace shop`);
      fails({ [`VaultAuth/${place}`]: AUTH }, "REFERENCE_NOT_ALLOWED", refused, place);
      assert.deepEqual(login({ [`VaultAuth/${place}`]: AUTH }, place).error?.lacks, { namespace: "shop" });
    }
  });

  it("that is missing was named, or is the default for want of a name", () => {
    fails({}, "REFERENCE_MISSING", /VaultAuth shop\/mine was not found .*\(named by spec\.vaultAuthRef\)/);
    fails({}, "REFERENCE_MISSING", /VaultAuth vso\/default was not found .*\(spec\.vaultAuthRef is empty, so the/, "");
  });
});

describe("a service account's token", () => {
  const demanding = aCluster({ vault: { requireAudiences: true } });
  const by = (method: "kubernetes" | "jwt", block: object = {}): Objects =>
    mine({ method, mount: "m", [method]: { role: "r", serviceAccount: "sa", ...block } });

  it("needs an audience of its own where the fleet demands one", () => {
    for (const method of ["kubernetes", "jwt"] as const) {
      for (const block of [{}, { audiences: [] }, { audiences: [""] }]) {
        const { error } = login(by(method, block), "mine", demanding);
        assert.equal(error?.code, "REFERENCE_INVALID");
        assert.match(error.message, new RegExp(`spec\\.${method}\\.audiences: required`));
        assert.equal(error.lacks, "audience");
        assert.equal(error.lacks, "audience");
        identity(by(method, block));
      }
      identity(by(method, { audiences: ["vault"] }), "mine", demanding);
    }
  });

  it("is not in question where a Secret is logged in with", () => {
    identity(mine({ method: "jwt", mount: "m", jwt: { role: "r", secretRef: "s" } }), "mine", demanding);
  });
});

describe("headers of a VaultConnection and a VaultAuth", () => {
  const NAMES = ["X-Vault-Token", "x-vault-namespace", "Host", "CONNECTION", "Content-Length", "Transfer-Encoding"];
  const OTHERS = ["Expect", "Upgrade", "TE", "Trailer", "Keep-Alive", "Proxy-Connection", "HTTP2-Settings"];
  const auth = { method: "kubernetes", mount: "k", kubernetes: { role: "r", serviceAccount: "sa" } };

  for (const name of [...NAMES, ...OTHERS]) {
    it(`${name} is refused by name`, () => {
      const says = /is not allowed here/;
      fails(mine({ ...auth, headers: { [name]: "x" } }), "REFERENCE_INVALID", says);
      const connection = { address: "https://vault.example:8200", headers: { [name]: "x" } };
      fails({ ...mine(auth), "VaultConnection/vso/default": connection }, "REFERENCE_INVALID", says);
    });
  }
});
