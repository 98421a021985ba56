import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolveIdentity } from "../../../lib/declarations/identity.ts";
import { lookUp } from "../../../lib/declarations/look-up.ts";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { FleetVault } from "../../../lib/ports/fleet-vault.ts";
import type { Reference } from "../../../lib/ports/rows.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster } from "../../builders.ts";

const EAST = aCluster();

type Objects = Readonly<Record<string, JsonObject>>;
const CONNECTION = { "VaultConnection/vso/default": { address: "https://vault.example:8200" } };

/** How a resource of namespace `shop` logs in, and what was asked for; objects by `Kind/namespace/name`. */
function login(objects: Objects, vaultAuthRef = "mine", cluster = EAST) {
  return loginWith({ ...CONNECTION, ...objects }, vaultAuthRef, cluster);
}

function loginWith(all: Objects, vaultAuthRef: string, cluster: ClusterSettings) {
  const lookup = lookUp(cluster, (key): Reference | undefined => {
    const name = key.slice("east/".length);
    const spec = all[name];
    if (spec === undefined) return undefined;
    return { key, uid: `uid of ${name}`, generation: 1, hash: "h", labels: {}, annotations: {}, spec };
  });
  const asked = () => [...lookup.refs].map((key) => key.slice("east/".length));
  try {
    return { identity: resolveIdentity(lookup, vaultAuthRef, "shop", cluster), asked: asked() };
  } catch (error) {
    if (error instanceof SyncError) return { error, asked: asked() };
    throw error;
  }
}

function identity(objects: Objects, vaultAuthRef = "mine", cluster = EAST) {
  const found = login(objects, vaultAuthRef, cluster);
  if (found.error) throw found.error;
  return found.identity;
}

function fails(objects: Objects, code: ErrorCode, message: RegExp, vaultAuthRef = "mine"): readonly string[] {
  const { error, asked } = login(objects, vaultAuthRef);
  assert.equal(error?.code, code, error?.message);
  assert.match(error?.message ?? "", message);
  return asked;
}

const mine = (spec: JsonObject): Objects => ({ "VaultAuth/shop/mine": { vaultConnectionRef: "vso/default", ...spec } });
const account = (name: string, audiences: readonly string[], expirationSeconds: number) => ({
  kind: "serviceAccount",
  cluster: "east",
  namespace: "shop",
  name,
  audiences,
  expirationSeconds,
});

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
    }
  });

  it("that is missing was named, or is the default for want of a name", () => {
    fails({}, "REFERENCE_MISSING", /VaultAuth shop\/mine was not found .*\(named by spec\.vaultAuthRef\)/);
    fails({}, "REFERENCE_MISSING", /VaultAuth vso\/default was not found .*\(spec\.vaultAuthRef is empty, so the/, "");
  });
});

describe("a login by AWS", () => {
  const aws = (block: JsonObject) => mine({ method: "aws", mount: "aws", aws: block });

  it("uses a Secret, else a service account", () => {
    const block = {
      role: "r",
      region: "eu-central-1",
      headerValue: "v",
      sessionName: "s",
      stsEndpoint: "https://STS/",
    };
    const bySecret = login(aws({ ...block, iamEndpoint: "https://iam", secretRef: "keys", irsaServiceAccount: "sa" }));
    assert.deepEqual(bySecret.identity?.method, {
      kind: "aws",
      role: "r",
      credential: { kind: "secret", cluster: "east", namespace: "shop", name: "keys", key: "access_key_id" },
      region: "eu-central-1",
      headerValue: "v",
      sessionName: "s",
      stsEndpoint: "https://sts",
    });
    assert.ok(bySecret.asked.includes("Secret/shop/keys"));
    const { method } = identity(aws({ role: "r", irsaServiceAccount: "sa" }));
    assert.deepEqual(method, { kind: "aws", role: "r", credential: account("sa", ["sts.amazonaws.com"], 86_400) });
  });

  describe("with the process's own identity", () => {
    const ADDRESS = "https://vault.example:8200";
    const LENT = { name: "hub", method: "aws", role: "r", headerValue: "v", region: "eu-central-1" } as const;
    const VAULT: FleetVault = { name: "main", addresses: [ADDRESS], identities: [LENT] };
    const lending = (vault: Partial<FleetVault> = {}, identities = ["main/hub"]) =>
      aCluster({ vaults: [{ ...VAULT, ...vault }], vault: { identities } });
    const own = (block: object = {}, spec: object = {}): Objects => ({
      "VaultAuth/vso/default": { method: "aws", mount: "aws", aws: { role: "r", ...block }, ...spec },
    });
    const refused = (objects: Objects, cluster: ClusterSettings, message: RegExp) => {
      const { error } = login(objects, "", cluster);
      assert.equal(error?.code, "REFERENCE_NOT_ALLOWED", error?.message);
      assert.match(error.message, message);
    };

    it("is lent to the operator's VaultAuths, with region and header value of fleet.yaml", () => {
      const { method } = identity(own(), "", lending());
      const { name: _, ...lent } = LENT;
      const { method: kind, ...rest } = lent;
      assert.deepEqual(method, { kind, ...rest, credential: { kind: "process" } });
      const shared = { "VaultAuth/vso/aws": { ...own()["VaultAuth/vso/default"], allowedNamespaces: ["shop"] } };
      assert.equal(identity(shared, "vso/aws", lending()).method.credential.kind, "process");
      assert.equal(identity(own({ headerValue: "v", region: "eu-central-1" }), "", lending()).method.kind, "aws");
    });

    it("is no VaultAuth's elsewhere", () => {
      const says = /spec\.aws without secretRef or irsaServiceAccount .*operator's namespace/;
      const { error } = login(aws({ role: "r" }), "mine", lending());
      assert.equal(error?.code, "UNSUPPORTED");
      assert.match(error.message, says);
    });

    it("is lent to no cluster that fleet.yaml does not name for it, for that Vault, role and mount", () => {
      refused(own(), EAST, /does not lend to cluster east for role r of https:\/\/vault\.example:8200/);
      refused(own(), aCluster({ vaults: [VAULT] }), /does not lend/);
      refused(own(), lending({}, []), /add one of its identities to the cluster's vault\.identities/);
      refused(own(), lending({ addresses: ["https://other:8200"] }), /does not lend/);
      refused(own({ role: "admin" }), lending(), /does not lend/);
      refused(own(), lending({ identities: [{ ...LENT, mount: "aws-hub" }] }), /does not lend/);
      const theirs = { "VaultConnection/vso/default": { address: "https://theirs.example" } };
      refused({ ...own(), ...theirs }, lending(), /of https:\/\/theirs\.example/);
    });

    it("is lent at the mount that fleet.yaml names, and at any where it names none", () => {
      const atHub = lending({ identities: [{ ...LENT, mount: "aws-hub" }] });
      assert.equal(identity(own({}, { mount: "aws-hub" }), "", atHub).mount, "aws-hub");
      assert.equal(identity(own({}, { mount: "other" }), "", lending()).mount, "other");
      refused(own({}, { mount: "other" }), atHub, /^VaultAuth vso\/default would log in/);
    });

    it("signs for nothing that the VaultAuth says otherwise", () => {
      refused(
        own({ headerValue: "other" }),
        lending(),
        /spec\.aws\.headerValue differs from that of identity main\/hub/,
      );
      refused(own({ region: "us-east-1" }), lending(), /spec\.aws\.region differs from that/);
      const both = { headerValue: "other", region: "us-east-1" };
      refused(own(both), lending(), /its spec\.aws\.headerValue and spec\.aws\.region differs from that/);
    });

    it("has no region where neither says one", () => {
      const { region: _region, ...anywhere } = LENT;
      const { method } = identity(own(), "", lending({ identities: [anywhere] }));
      assert.deepEqual(method, { kind: "aws", role: "r", headerValue: "v", credential: { kind: "process" } });
      const [east, west] = ["east", "west"].map((name) => identity(own(), "", { ...lending(), name }).id);
      assert.notEqual(east, west, "clusters share no token");
    });

    it("has the VaultAuth's region where fleet.yaml says none", () => {
      const { region: _region, ...anywhere } = LENT;
      const { method } = identity(own({ region: "us-east-1" }), "", lending({ identities: [anywhere] }));
      assert.equal(method.kind === "aws" && method.region, "us-east-1");
    });

    it("trusts whom fleet.yaml trusts", () => {
      const by = (spec: object): Objects => ({
        ...own(),
        "VaultConnection/vso/default": { address: ADDRESS, ...spec },
      });
      refused(by({ skipTLSVerify: true }), lending(), /skipTLSVerify/);
      refused(by({ tlsServerName: "theirs" }), lending(), /tlsServerName/);
      refused(by({ caCertSecretRef: "ca" }), lending(), /set caFile of vaults main/);
      const { target } = identity(by({ caCertSecretRef: "ca" }), "", lending({ caFile: "./ca.pem" }));
      assert.deepEqual(target, {
        address: ADDRESS,
        cluster: "east",
        connection: "vso/default",
        headers: {},
        caOf: "main",
        skipTlsVerify: false,
        timeoutMs: 8_000,
        place: "east/shop",
      });
    });
  });

  it("says what is wrong with it", () => {
    fails(aws({}), "REFERENCE_INVALID", /spec\.aws\.role: required/);
    const keys = { role: "r", secretRef: "keys" };
    fails(aws({ ...keys, stsEndpoint: "sts" }), "REFERENCE_INVALID", /spec\.aws\.stsEndpoint: must be a URL/);
    fails(aws({ ...keys, region: "evil.example/" }), "REFERENCE_INVALID", /spec\.aws\.region: must be the name of/);
  });

  it("keeps its mount: the fleet's is for a cluster's own tokens", () => {
    const cluster = { ...EAST, vault: { authMount: "kubernetes-east" } };
    assert.equal(identity(aws({ role: "r", secretRef: "keys" }), "mine", cluster).mount, "aws");
  });
});

describe("a login by Google Cloud", () => {
  const gcp = (block: JsonObject) => mine({ method: "gcp", mount: "gcp", gcp: block });
  const BLOCK = {
    role: "r",
    workloadIdentityServiceAccount: "sa",
    region: "europe-west3",
    clusterName: "c",
    projectID: "p",
  };

  it("shows a token for the project's own pool of workload identities", () => {
    const { role, workloadIdentityServiceAccount: _, ...place } = BLOCK;
    const credential = account("sa", ["p.svc.id.goog"], 600);
    assert.deepEqual(identity(gcp(BLOCK)).method, { kind: "gcp", role, credential, ...place });
  });

  it("names what VSO would ask a node's metadata server for", () => {
    const { region: _, projectID: __, ...without } = BLOCK;
    fails(gcp(without), "UNSUPPORTED", /spec\.gcp\.region, spec\.gcp\.projectID would be read from .* set it/);
  });

  it("says what is missing", () => {
    fails(
      gcp({}),
      "REFERENCE_INVALID",
      /spec\.gcp\.role: required; spec\.gcp\.workloadIdentityServiceAccount: required/,
    );
  });
});

describe("a Vault that fleet.yaml names", () => {
  const auth = (spec: object = {}): Objects =>
    mine({ method: "kubernetes", mount: "k", kubernetes: { role: "r", serviceAccount: "sa" }, ...spec });
  const VAULT: FleetVault = {
    name: "main",
    addresses: ["https://vault.example:8200"],
    caFile: "./ca.pem",
    namespace: "teams/",
    identities: [],
  };
  const cluster = aCluster({ vaults: [VAULT] });

  it("gives its CA where the VaultConnection names none", () => {
    assert.equal(identity(auth(), "mine", cluster).target.caOf, "main");
    const named = { ...auth(), "VaultConnection/vso/default": { address: VAULT.addresses[0], caCertSecretRef: "ca" } };
    const { target } = identity(named as Objects, "mine", cluster);
    assert.deepEqual([target.caOf, target.caRef?.name], [undefined, "ca"]);
  });

  it("gives its namespace where nothing else says one", () => {
    assert.equal(identity(auth(), "mine", cluster).namespace, "teams");
    assert.equal(identity(auth({ namespace: "shop" }), "mine", cluster).namespace, "shop");
  });

  describe("as the one of the cluster", () => {
    const byName = aCluster({ vaults: [VAULT], vault: { name: "main" } });
    const only = (objects: Objects) => {
      const { "VaultConnection/vso/default": _none, ...rest } = { ...CONNECTION, ...objects };
      return loginWith(rest, "mine", byName);
    };
    const AT = { address: "https://vault.example:8200", caOf: "main", skipTlsVerify: false };

    it("needs no VaultConnection, and wakes its syncs when one is created", () => {
      const { identity, asked } = only(auth());
      assert.ok(identity);
      const { target, namespace } = identity;
      const expected = { ...AT, cluster: "east", place: "east/shop", headers: {}, timeoutMs: 8_000 };
      assert.deepEqual([target, namespace], [expected, "teams"]);
      assert.ok(asked.includes("VaultConnection/vso/default"));
    });

    it("takes headers and time-out of a VaultConnection, and nothing that says which server is Vault", () => {
      const theirs = { address: "http://evil", skipTLSVerify: true, tlsServerName: "evil", caCertSecretRef: "ca" };
      const connection = { ...theirs, caCertPath: "/x", headers: { "X-A": "1" }, timeout: "3s" };
      const { target } = identity({ ...auth(), "VaultConnection/vso/default": connection }, "mine", byName);
      const expected = { ...AT, connection: "vso/default", headers: { "X-A": "1" }, timeoutMs: 3_000 };
      assert.deepEqual(target, { ...expected, cluster: "east", place: "east/shop" });
    });

    it("lends no identity of another method, whatever its name and role", () => {
      const own = { name: "hub", method: "jwt", role: "r", tokenFile: "/token" } as const;
      const settings = aCluster({
        vaults: [{ ...VAULT, identities: [own] } as FleetVault],
        vault: { name: "main", identities: ["main/hub"] },
      });
      const objects = {
        "VaultAuth/vso/hub": { method: "aws", mount: "aws", aws: { role: "r" }, allowedNamespaces: ["*"] },
      };
      assert.equal(login(objects, "vso/hub", settings).error?.code, "REFERENCE_NOT_ALLOWED");
    });

    it("lends its identities", () => {
      const lent = { name: "hub", method: "aws", role: "r", headerValue: "h" } as const;
      const settings = aCluster({
        vaults: [{ ...VAULT, identities: [lent] }],
        vault: { name: "main", identities: ["main/hub"] },
        operatorNamespace: "vso",
      });
      const objects = {
        "VaultAuth/vso/hub": { method: "aws", mount: "aws", aws: { role: "r" }, allowedNamespaces: ["*"] },
      };
      const { target, method } = identity(objects, "vso/hub", settings);
      assert.deepEqual([target.caOf, method.kind === "aws" && method.headerValue], ["main", "h"]);
    });
  });

  it("has to be one of fleet.yaml's, and to have an address", () => {
    for (const vaults of [undefined, [], [{ ...VAULT, name: "other" }], [{ ...VAULT, addresses: [] }]]) {
      const { error } = login(auth(), "mine", aCluster({ vault: { name: "main" }, ...(vaults && { vaults }) }));
      assert.equal(error?.code, "REFERENCE_INVALID");
      assert.match(
        error?.message ?? "",
        /^vault\.name of cluster east is not the name of one of vaults in fleet\.yaml/,
      );
    }
    const second = aCluster({
      vault: { name: "main" },
      vaults: [{ ...VAULT, name: "other", addresses: ["https://o"] }, VAULT],
    });
    assert.equal(identity(auth(), "mine", second).target.address, VAULT.addresses[0]);
    const { caFile: _none, ...bare } = VAULT;
    const plain = aCluster({ vault: { name: "main" }, vaults: [bare] });
    assert.equal("caOf" in identity(auth(), "mine", plain).target, false);
  });

  it("is no other one's", () => {
    const other = { ...auth(), "VaultConnection/vso/default": { address: "https://other.example" } };
    const { target, namespace } = identity(other, "mine", cluster);
    assert.deepEqual([target.caOf, namespace], [undefined, undefined]);
  });
});

describe("how Vault is reached by a VaultConnection", () => {
  const auth = mine({ method: "kubernetes", mount: "k", kubernetes: { role: "r", serviceAccount: "sa" } });
  const target = (connection: JsonObject, cluster = EAST) =>
    identity(
      { ...auth, "VaultConnection/vso/default": { address: "https://vault.example:8200", ...connection } },
      "mine",
      cluster,
    ).target;

  it("is within its time-out, 8 s without one, and 60 s at most", () => {
    for (const [timeout, ms] of [
      [undefined, 8_000],
      ["0s", 8_000],
      ["3s", 3_000],
      ["60s", 60_000],
      ["5m", 60_000],
    ] as const) {
      assert.equal(target(timeout === undefined ? {} : { timeout }).timeoutMs, ms, timeout);
    }
  });

  it("is with its server name and its CA, whose Secret is followed unless nothing is verified", () => {
    const { tlsServerName, caRef, skipTlsVerify } = target({ tlsServerName: "vault", caCertSecretRef: "ca" });
    assert.deepEqual([tlsServerName, skipTlsVerify], ["vault", false]);
    assert.deepEqual(caRef, { kind: "secret", cluster: "east", namespace: "vso", name: "ca", key: "ca.crt" });
    const connection = { address: "https://vault.example:8200", caCertSecretRef: "ca" };
    const asked = (more: object) => login({ ...auth, "VaultConnection/vso/default": { ...connection, ...more } }).asked;
    assert.deepEqual(
      [asked({}).includes("Secret/vso/ca"), asked({ skipTLSVerify: true }).includes("Secret/vso/ca")],
      [true, false],
    );
    assert.deepEqual(["tlsServerName" in target({}), "caRef" in target({})], [false, false]);
  });

  it("is at the address that fleet.yaml gives the cluster", () => {
    assert.equal(target({}, aCluster({ vault: { address: "https://Outside:8200/" } })).address, "https://outside:8200");
  });

  it("is at a mount, which fleet.yaml may name for the cluster's own tokens", () => {
    const mount = (spec: object, cluster = EAST) =>
      login(mine({ method: "kubernetes", kubernetes: { role: "r", serviceAccount: "sa" }, ...spec }), "mine", cluster);
    assert.equal(mount({ mount: "/k/" }).identity?.mount, "k");
    assert.equal(mount({ mount: "k" }, aCluster({ vault: { authMount: "fleet/" } })).identity?.mount, "fleet");
    assert.equal(mount({}, aCluster({ vault: { authMount: "fleet" } })).identity?.mount, "fleet");
    for (const [spec, why] of [
      [{ mount: "/" }, "must not be empty"],
      [{}, "required"],
    ] as const) {
      const { error } = mount(spec);
      assert.equal(error?.code, "REFERENCE_INVALID");
      assert.equal(error?.message, `VaultAuth shop/mine is not valid: spec.mount: ${why}`);
    }
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
