import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FleetVault } from "../../../lib/ports/fleet-vault.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster } from "../../builders.ts";
import { CONNECTION, EAST, identity, login, loginWith, mine, type Objects } from "./logged-in.ts";

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
      assert.equal(error?.lacks, undefined);
    }
  });
});
