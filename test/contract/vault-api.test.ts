import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, startCluster, startVault, type Vault } from "../harness/index.ts";
import { keptTokensContract } from "./kept-tokens.contract.ts";
import { vaultApiContract } from "./vault-api.contract.ts";
import { vaultAwsContract } from "./vault-aws.contract.ts";
import { vaultGcpContract } from "./vault-gcp.contract.ts";
import { vaultTokensContract } from "./vault-tokens.contract.ts";
import { account, appRole, failure, furnish, identityOn, JWT_ROLE, kv2, openVaultApi } from "./vault-world.ts";

const forever = new AbortController().signal;
const FLAVORS = ["openbao", "vault"] as const;

describe("Vault ends", () => {
  const servers = new AsyncDisposableStack();
  let cluster: Cluster;
  const vaults = new Map<string, Vault>();
  const serversOf = (flavor: string) => {
    const vault = vaults.get(flavor);
    assert.ok(vault);
    return { vault, cluster };
  };

  before(async () => {
    const starting = startCluster();
    await Promise.all(FLAVORS.map(async (flavor) => vaults.set(flavor, servers.use(await startVault({ flavor })))));
    cluster = servers.use(await starting);
    for (const vault of vaults.values()) {
      await furnish(vault);
      await vault.enableKubernetesAuth(cluster);
      await vault.enableJwtAuth(cluster);
    }
  });
  after(() => servers.disposeAsync());

  for (const flavor of FLAVORS) {
    vaultApiContract(flavor, () => serversOf(flavor));
    vaultTokensContract(flavor, () => serversOf(flavor));
    keptTokensContract(flavor, () => serversOf(flavor));
    vaultGcpContract(flavor, () => serversOf(flavor));
  }

  // OpenBao has no such login.
  vaultAwsContract(() => serversOf("vault"));

  describe("with TLS", () => {
    let vault: Vault;
    before(async () => {
      vault = servers.use(await startVault({ tls: true }));
      await vault.enableKv("kv", 2);
      await vault.putKv("kv", "app", { password: "s3cr3t" });
      await vault.writePolicy("reader", 'path "kv/*" { capabilities = ["read"] }');
    });

    it("trust the CA that the connection names, and only that one", async () => {
      await using end = openVaultApi(cluster);
      const identity = await appRole({ vault, cluster }, { policies: ["reader"] });
      assert.equal((await end.read(kv2(identity, "app"), forever)).fields.get("password"), "s3cr3t");
      const { caPem, ...untrusting } = identity.target;
      const without = { ...identity, id: "without", target: untrusting };
      await failure(end.read(kv2(without, "app"), forever), "VAULT_TLS_REFUSED");
      assert.equal(await end.probe(untrusting, forever), "answered");
      assert.equal(await end.probe({ ...untrusting, skipTlsVerify: true }, forever), "unsealed");
      const other = { ...identity, id: "other", target: { ...untrusting, caPem: cluster.caPem } };
      await failure(end.read(kv2(other, "app"), forever), "VAULT_TLS_REFUSED");
      const skipping = { ...identity, id: "skipping", target: { ...untrusting, skipTlsVerify: true } };
      assert.equal((await end.read(kv2(skipping, "app"), forever)).fields.size, 1);
    });

    it("trust any certificate of the bundle: the issuer's alone, and whatever stands beside it", async () => {
      await using end = openVaultApi(cluster);
      const identity = await appRole({ vault, cluster }, { policies: ["reader"] });
      const { issuerPem = assert.fail() } = vault;
      const damaged = issuerPem.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
      for (const caPem of [issuerPem, `${cluster.caPem}\n# ours\n${issuerPem}`, `${damaged}\n${issuerPem}`]) {
        const trusting = { ...identity, target: { ...identity.target, caPem } };
        assert.equal((await end.read(kv2(trusting, "app"), forever)).fields.size, 1);
      }
      const none = { ...identity, target: { ...identity.target, caPem: damaged } };
      await failure(end.read(kv2(none, "app"), forever), "VAULT_TLS_REFUSED");
    });

    it("verify the name that the connection names", async () => {
      await using end = openVaultApi(cluster);
      const identity = await appRole({ vault, cluster }, { policies: ["reader"] });
      const named = (tlsServerName: string) => ({
        ...identity,
        id: tlsServerName,
        target: { ...identity.target, tlsServerName },
      });
      assert.equal((await end.read(kv2(named("localhost"), "app"), forever)).fields.size, 1);
      const error = await failure(end.read(kv2(named("vault.example.com"), "app"), forever), "VAULT_TLS_REFUSED");
      assert.match(error.message, /set tlsServerName/);
    });
  });

  describe("with namespaces", () => {
    it("log in in one and read in the same or in another one", async () => {
      const { vault } = serversOf("openbao");
      await using end = openVaultApi(cluster);
      await vault.write("sys/namespaces/team");
      await vault.write("sys/mounts/kv", { type: "kv", options: { version: "2" } }, { namespace: "team" });
      await cluster.waitFor("the mount", async () => {
        const order = { data: { password: "team's" } };
        return (await vault.request("POST", "kv/data/app", order, { namespace: "team" })).status === 200;
      });
      await vault.writePolicy("team", 'path "team/kv/*" { capabilities = ["read"] }');
      const fromRoot = await appRole({ vault, cluster }, { policies: ["team"] });
      const read = kv2(fromRoot, "app", { namespace: "team" });
      assert.equal((await end.read(read, forever)).fields.get("password"), "team's");

      const inTeam = { namespace: "team" };
      await vault.write("sys/policies/acl/reader", { policy: 'path "kv/*" { capabilities = ["read"] }' }, inTeam);
      await vault.write("sys/auth/jwt", { type: "jwt" }, inTeam);
      const keys = { jwt_validation_pubkeys: [cluster.serviceAccountPublicKeyPem], bound_issuer: cluster.issuer };
      await vault.write("auth/jwt/config", keys, inTeam);
      await vault.write("auth/jwt/role/app", JWT_ROLE, inTeam);
      const credential = account("vault");
      const identity = identityOn(vault, { ...inTeam, mount: "jwt", method: { kind: "jwt", role: "app", credential } });
      assert.equal((await end.read(kv2(identity, "app"), forever)).fields.get("password"), "team's");
      const elsewhere = kv2({ ...identity, id: "nowhere", namespace: "nowhere" }, "app");
      await failure(end.read(elsewhere, forever), "VAULT_LOGIN_REFUSED");
      await end.revokeAll(forever);
    });
  });
});
