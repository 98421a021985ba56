import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { REFRESH_ANNOTATION } from "../../lib/origins/refresh-annotation.ts";
import { API, aVaultAuth, type ClusterObject, NAMESPACE, VAULT } from "./world/builders.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret, DYNAMIC, logsIn, PKI } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

const pem = (name: string): string => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`;
const bundle = (name: string) => ({ "ca.crt": Buffer.from(pem(name)).toString("base64") });

const CA: ClusterObject = {
  ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "vault-ca", namespace: NAMESPACE } },
  data: bundle("one"),
};
const CONNECTION: ClusterObject = {
  ...{ apiVersion: API, kind: "VaultConnection", metadata: { name: "tls", namespace: NAMESPACE } },
  spec: { address: VAULT, caCertSecretRef: "vault-ca" },
};

/** A credential with leases of ten minutes, of a Vault that is trusted by the CA in a Secret. */
async function aTrustingWorld(): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "240h" });
  world.vault.certifiedBy = pem("one");
  const login = aVaultAuth("mine", { vaultConnectionRef: "tls" });
  await world.given(CA, CONNECTION, login, aDynamicSecret("db", { vaultAuthRef: "mine" }));
  await world.advance("2m");
  assert.equal(await logsIn(world), true);
  return world;
}

describe("another CA of Vault", () => {
  it("lease-table 29: is trusted by the renewals of a credential in use, and issues nothing", async () => {
    await using world = await aTrustingWorld();
    const first = world.secret("db")?.data;
    world.vault.certifiedBy = pem("two");
    await world.edit("Secret", "vault-ca", { data: bundle("two") });
    await world.advance("1h");
    assert.deepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
    assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
    assert.equal(world.vault.liveLeases().length, 1);
  });

  it("lease-table 28: is trusted by the end of a credential that is deleted", async () => {
    await using world = await aTrustingWorld();
    world.vault.certifiedBy = pem("two");
    await world.edit("Secret", "vault-ca", { data: bundle("two") });
    await world.advance("1m");
    await world.remove(DYNAMIC, "db");
    await world.advance("1m");
    assert.equal(world.vault.liveLeases().length, 0);
  });

  it("is trusted by the revocation of a certificate", async () => {
    await using world = await aTrustingWorld();
    await world.given(aPkiSecret("web", { vaultAuthRef: "mine", revoke: true }));
    await world.advance("1m");
    world.vault.certifiedBy = pem("two");
    await world.edit("Secret", "vault-ca", { data: bundle("two") });
    await world.advance("1m");
    await world.remove(PKI, "web");
    await world.advance("1m");
    assert.deepEqual(
      world.vault.certificates().map(({ revokedAt }) => revokedAt !== undefined),
      [true],
    );
  });

  it("is trusted when a person asks whether the credential is still there", async () => {
    await using world = await aTrustingWorld();
    const first = world.secret("db")?.data;
    world.vault.certifiedBy = pem("two");
    await world.edit("Secret", "vault-ca", { data: bundle("two") });
    await world.store.nudge(world.key("db", DYNAMIC), { now: world.time.now(), verify: true });
    await world.advance("2m");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.deepEqual(world.secret("db")?.data, first);
  });

  it("that is told too late costs a credential, and another one is issued", async () => {
    await using world = await aTrustingWorld();
    const first = world.secret("db")?.data;
    world.vault.certifiedBy = pem("two");
    await world.advance("30m");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: VAULT_TLS_REFUSED/);
    await world.edit("Secret", "vault-ca", { data: bundle("two") });
    await world.advance("2m");
    assert.notDeepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
  });
});

describe("another CA in caFile of fleet.yaml, which nobody tells of", () => {
  it("is found before the lease ends, and issues nothing", async () => {
    let caFile = pem("one");
    const main = { name: "main", addresses: [VAULT], caFile: "vault-ca.pem", identities: [] };
    await using world = await anIssuingWorld({ clusters: [{ vaults: [main] }], anchors: async () => caFile });
    await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "240h" });
    world.vault.certifiedBy = caFile;
    await world.given(aDynamicSecret());
    await world.advance("20m");
    const first = world.secret("db")?.data;
    assert.equal(await logsIn(world), true);
    caFile = pem("two");
    world.vault.certifiedBy = caFile;
    await world.advance("1h");
    assert.deepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
    assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
  });
});

describe("a refresh that a person asks for", () => {
  it("does not wait for an answer about the credential that it replaces", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const first = world.secret("db")?.data;
    world.vault.meddle(({ path }) => (path.startsWith("sys/leases/") ? { answer: "cut" } : {}));
    await world.store.nudge(world.key("db", DYNAMIC), { now: world.time.now(), verify: true });
    await world.given(aDynamicSecret("db", { annotations: { [REFRESH_ANNOTATION]: "1" } }));
    await world.advance("20s");
    assert.notDeepEqual(world.secret("db")?.data, first);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
  });
});

describe("a lost key of the tokens", () => {
  it("costs no credential before its successor is there", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "240h" });
    await world.given(aDynamicSecret());
    await world.advance("30s");
    const first = world.secret("db")?.data;
    world.crash();
    world.start({ sealingKeys: [Buffer.alloc(32, 11)] });
    for (let minutes = 0; minutes < 30; minutes++) {
      await world.advance("1m");
      assert.equal(await logsIn(world), true, `after ${minutes} minutes`);
    }
    assert.notDeepEqual(world.secret("db")?.data, first);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
  });

  it("is noticed at once when a person asks whether the credential is still there", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const first = world.secret("db")?.data;
    world.crash();
    world.start({ sealingKeys: [Buffer.alloc(32, 11)] });
    await world.store.nudge(world.key("db", DYNAMIC), { now: world.time.now(), verify: true });
    await world.advance("20s");
    assert.notDeepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
  });
});
