import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VAULT_DYNAMIC_SECRET } from "../../lib/resource-kinds.ts";
import { aDeployment, VAULT } from "./world/builders.ts";
import { gateAt } from "./world/effects.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret, DYNAMIC, logsIn, PKI } from "./world/issuing.ts";
import { DEFAULT_POLICY } from "./world/vault/policies.ts";
import { anOldVso } from "./world/vso.ts";
import type { World, WorldOptions } from "./world/world.ts";

const MAY_REVOKE_LEASES = `${DEFAULT_POLICY} path "sys/leases/revoke" { capabilities = ["update"] }`;
const TARGETS = { rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] };

const MAIN = { name: "main", addresses: [VAULT], identities: [], retentionMs: 10 * 60_000 };
const RETAINING = { clusters: [{ vaults: [MAIN] }] };

async function anOldWorld(options: WorldOptions = {}) {
  const world = await anIssuingWorld({ isAsleep: true, ...options });
  await world.given(aDeployment("app"));
  return { world, vso: await anOldVso(world) };
}

const restarted = (world: World): unknown =>
  Object(Object(Object(world.resource("app", "Deployment")?.spec).template).metadata).annotations;

const isRevoked = (world: World, serial: string): boolean =>
  world.vault.certificates().find((one) => one.serial === serial)?.revokedAt !== undefined;

describe("a dynamic secret that Vault Secrets Operator left, with its stored token", () => {
  it("kubernetes-rules 23: stays the same credential, as long as Vault renews it, without a write and without a restart", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    const { lease } = await vso.leaveDynamic("db", TARGETS);
    await vso.storeToken();
    const [before, annotations] = [world.secret("db"), restarted(world)];
    await world.advance("30s");
    world.start();
    await world.advance("3h");
    assert.equal(world.secret("db")?.resourceVersion, before?.resourceVersion);
    assert.deepEqual(restarted(world), annotations);
    assert.deepEqual(
      world.vault.liveLeases().map(({ id }) => id),
      [lease],
    );
    assert.equal(await logsIn(world), true);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
  });

  it("is taken over at a gateway that lets no token look itself up, and issues nothing at once", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    await world.vault.putDatabaseRole("app", { defaultTtl: "1h", maxTtl: "24h" });
    const { lease } = await vso.leaveDynamic("db", TARGETS);
    await vso.storeToken();
    const instead = { status: 403, text: "<html>forbidden</html>" };
    world.vault.meddle(({ path }) => (path === "auth/token/lookup-self" ? { instead } : {}));
    world.start();
    await world.advance("1m");
    assert.deepEqual(
      world.vault.liveLeases().map(({ id }) => id),
      [lease],
    );
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.match(world.condition("db", "CredentialRenewed", DYNAMIC), /may not look itself up/);
  });

  it("is taken over once, when the process dies right after the first status that tells of it", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    // Longer than the lease on the row, for which the next process waits.
    await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "24h" });
    await world.vault.writePolicy("default", MAY_REVOKE_LEASES);
    const { lease } = await vso.leaveDynamic("db", TARGETS);
    await vso.storeToken();
    const [before, annotations] = [world.secret("db"), restarted(world)];
    const gate = gateAt("patch vaultdynamicsecrets/status", "after");
    world.start({ effect: gate.effect });
    await world.advance("30s");
    assert.equal(gate.times(), 1);
    world.crash();
    gate.open();
    world.start();
    const leases = () => world.vault.liveLeases().map(({ id }) => id);
    await world.advance("25m");
    assert.deepEqual(leases(), [lease]);
    assert.equal(world.vault.server.audit.get("read database/creds/app"), 1);
    assert.equal(world.secret("db")?.resourceVersion, before?.resourceVersion);
    assert.deepEqual(restarted(world), annotations);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    await world.remove(DYNAMIC, "db");
    await world.advance("30s");
    assert.deepEqual(leases(), []);
  });

  it("shares that token: one that goes ends its own lease alone", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    await world.vault.writePolicy("default", MAY_REVOKE_LEASES);
    await vso.leaveDynamic("db");
    const { lease } = await vso.leaveDynamic("other");
    await vso.storeToken();
    world.start();
    await world.advance("10s");
    await world.remove(DYNAMIC, "db");
    await world.advance("30s");
    assert.deepEqual(
      world.vault.liveLeases().map(({ id }) => id),
      [lease],
    );
    assert.equal(await logsIn(world, "other"), true);
  });

  it("without the right to revoke leases, one that goes ends by itself, and the others go on", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    await vso.leaveDynamic("db");
    const { lease } = await vso.leaveDynamic("other");
    await vso.storeToken();
    world.start();
    await world.advance("10s");
    await world.remove(DYNAMIC, "db");
    await world.advance("3m");
    assert.deepEqual(
      world.vault.liveLeases().map(({ id }) => id),
      [lease],
    );
    assert.equal(await logsIn(world, "other"), true);
  });
});

describe("a dynamic secret that Vault Secrets Operator left, without a token of use", () => {
  for (const [what, store] of [
    ["none is stored", undefined],
    ["it is encrypted", { labels: { encrypted: "true" } }],
    ["it is another VaultAuth's", { labels: { "auth/UID": "another" } }],
    ["it is another namespace's", { labels: { "provider/namespace": "another" } }],
    ["its MAC is wrong", { mac: "AAAA" }],
  ] as const) {
    it(`kubernetes-rules 23: ${what}: another credential is issued once, in time, and the old one ends`, async () => {
      const { world, vso } = await anOldWorld();
      await using _world = world;
      const { lease } = await vso.leaveDynamic("db", TARGETS);
      if (store !== undefined) await vso.storeToken(store);
      const before = world.secret("db")?.data.username;
      await world.advance("30s");
      world.start();
      await world.advance("10s");
      assert.equal(world.secret("db")?.data.username, before);
      assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
      assert.match(
        world.condition("db", "CredentialRenewed", DYNAMIC),
        /^False: taken over from Vault Secrets Operator: another credential is issued at 2030-01-01T00:\d\d:\d\d/,
      );
      for (let minutes = 0; minutes < 40; minutes++) {
        await world.advance("1m");
        assert.equal(await logsIn(world), true, `minute ${minutes}`);
      }
      assert.notEqual(world.secret("db")?.data.username, before);
      assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
      assert.equal(world.vault.liveLeases().length, 1);
      assert.notEqual(world.vault.liveLeases()[0]?.id, lease);
      assert.notEqual(restarted(world), undefined);
      assert.equal(world.vault.server.audit.get("read database/creds/app"), 2);
    });
  }

  it("many are spread over the time that is left, which is a third of a login's", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    const names = Array.from({ length: 40 }, (_, number) => `db-${number}`);
    for (const name of names) await vso.leaveDynamic(name);
    await world.advance("30s");
    world.start();
    const asked = () => (world.vault.server.audit.get("read database/creds/app") ?? 0) - names.length;
    await world.advance("5m");
    const some = asked();
    assert.ok(some > 4 && some < 25, `${some} after five minutes`);
    await world.advance("14m");
    assert.equal(asked(), names.length);
    for (const name of names) assert.equal(await logsIn(world, name), true, name);
  });

  it("an operator that is silent for too long: at once", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    await vso.leaveDynamic("db", TARGETS);
    const before = world.secret("db")?.data.username;
    await world.advance("2h");
    world.start();
    await world.advance("30s");
    assert.notEqual(world.secret("db")?.data.username, before);
    assert.equal(await logsIn(world), true);
    assert.notEqual(restarted(world), undefined, "its workloads run with a credential that has ended");
  });

  it("a declaration that changed since is issued anew at once", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    await vso.leaveDynamic("db");
    const before = world.secret("db")?.data.username;
    await world.edit(DYNAMIC, "db", { spec: { renewalPercent: 50 } });
    world.start();
    await world.advance("30s");
    assert.notEqual(world.secret("db")?.data.username, before);
    assert.equal(await logsIn(world), true);
  });
});

describe("a certificate that Vault Secrets Operator left", () => {
  it("is kept without an issue, a write or a restart, and replaced at its own time", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    const { serial } = await vso.leaveCertificate("web", { ...TARGETS, revoke: true });
    const [before, annotations] = [world.secret("web"), restarted(world)];
    world.start();
    await world.advance("20m");
    assert.equal(world.secret("web")?.resourceVersion, before?.resourceVersion);
    assert.deepEqual(restarted(world), annotations);
    assert.equal(world.vault.certificates().length, 1);
    assert.match(world.condition("web", "Ready", PKI), /^True/);
    await world.advance("25m");
    assert.equal(world.vault.certificates().length, 2);
    assert.equal(Object(world.resource("web", PKI)?.status).serialNumber === serial, false);
  });

  it("with revoke it is revoked when its declaration goes", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    const { serial } = await vso.leaveCertificate("web", { revoke: true });
    const kept = await vso.leaveCertificate("kept");
    world.start();
    await world.advance("10s");
    assert.equal(isRevoked(world, serial), false);
    await world.remove(PKI, "web");
    await world.remove(PKI, "kept");
    await world.advance("30s");
    assert.equal(isRevoked(world, serial), true);
    assert.equal(isRevoked(world, kept.serial), false);
  });

  it("another certificate or private key in the Secret, or other names, is replaced", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    const left = { key: await vso.leaveCertificate("key", { revoke: true }) };
    await vso.leaveCertificate("names");
    const other = await vso.leaveCertificate("fine");
    const foreign = world.secret("fine")?.data["tls.key"] ?? "";
    await world.edit("Secret", "key", {
      data: { "tls.key": Buffer.from(foreign).toString("base64"), private_key: null, _raw: null },
    });
    await world.edit(PKI, "names", { spec: { altNames: ["more.example.com"] } });
    const made = world.vault.certificates().length;
    world.start();
    await world.advance("10s");
    assert.equal(world.vault.certificates().length, made + 2);
    assert.equal(Object(world.resource("fine", PKI)?.status).serialNumber, other.serial);
    await world.remove(PKI, "key");
    await world.advance("30s");
    assert.equal(isRevoked(world, left.key.serial), true, "the former one, that the status named");
  });
});

describe("handed over to Vault Secrets Operator", () => {
  const handOver = (world: World, kind: string, name: string) =>
    world.edit(kind, name, { metadata: { annotations: { "keyferry.dev/handed-over": "vso" } } });

  it("kubernetes-rules 23: a credential with a token of its own is renewed for the retention, then ended", async () => {
    await using world = await anIssuingWorld(RETAINING);
    await world.given(aDynamicSecret());
    await world.advance("10s");
    await handOver(world, DYNAMIC, "db");
    await world.advance("10s");
    assert.equal(await world.row("db", DYNAMIC), undefined);
    await world.advance("9m");
    assert.equal(await logsIn(world), true);
    await world.advance("5m");
    assert.equal(world.vault.liveLeases().length, 0);
    assert.notEqual(world.secret("db"), undefined);
  });

  it("kubernetes-rules 23: one of VSO's own token, and a certificate, are left to VSO: neither is revoked", async () => {
    const { world, vso } = await anOldWorld(RETAINING);
    await using _world = world;
    await world.vault.writePolicy("default", MAY_REVOKE_LEASES);
    const { lease } = await vso.leaveDynamic("db");
    const { serial } = await vso.leaveCertificate("web", { revoke: true });
    await vso.storeToken();
    world.start();
    await world.advance("10s");
    await handOver(world, DYNAMIC, "db");
    await handOver(world, PKI, "web");
    await world.advance("20s");
    assert.deepEqual(
      world.vault.liveLeases().map(({ id }) => id),
      [lease],
    );
    assert.deepEqual(Object(world.resource("db", DYNAMIC)?.status).secretLease.id, lease);
    assert.notEqual(Object(world.resource("db", DYNAMIC)?.status).vaultClientMeta, undefined);
    await world.advance("9m");
    const [kept] = world.vault.liveLeases();
    assert.equal(kept?.id, lease, "VSO goes on with it, whenever it starts");
    await world.advance("30m");
    assert.equal(kept.revokedAt, undefined);
    assert.equal(isRevoked(world, serial), false);
    await world.advance("50m");
    assert.deepEqual(await world.store.retired(), []);
  });

  it("VSO's status names its client only for what that client issued", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    await vso.leaveDynamic("db");
    await vso.storeToken();
    world.start();
    await world.advance("10s");
    await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    await world.advance("10s");
    const status = Object(world.resource("db", DYNAMIC)?.status);
    assert.equal(status.vaultClientMeta, undefined);
    assert.equal(status.secretLease.id, world.vault.liveLeases().at(-1)?.id);
  });

  it("and taken back, a certificate is kept", async () => {
    await using world = await anIssuingWorld();
    await world.given(aPkiSecret("web", { revoke: true }));
    await world.advance("10s");
    await handOver(world, PKI, "web");
    await world.advance("20s");
    assert.equal(await world.row("web", PKI), undefined);
    await world.edit(PKI, "web", { metadata: { annotations: { "keyferry.dev/handed-over": null } } });
    await world.advance("20s");
    assert.equal(world.vault.certificates().length, 1);
    assert.match(world.condition("web", "Ready", PKI), /^True/);
    await world.remove(PKI, "web");
    await world.advance("20s");
    assert.equal(world.vault.certificates()[0]?.revokedAt === undefined, false);
  });

  it("taken back and deleted, nothing is left", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("10s");
    await handOver(world, DYNAMIC, "db");
    await world.advance("10s");
    await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/handed-over": null } } });
    await world.advance("30s");
    assert.equal(await logsIn(world), true);
    assert.equal(world.vault.liveLeases().length, 2);
    await world.remove(DYNAMIC, "db");
    await world.advance("30s");
    assert.equal(world.vault.liveLeases().length, 0);
    assert.equal(world.secret("db"), undefined);
    assert.deepEqual(await world.store.retired(), []);
  });

  it("lease-table 28: after a take-over, taken back and deleted, nothing is left", async () => {
    const { world, vso } = await anOldWorld();
    await using _world = world;
    await world.vault.writePolicy("default", MAY_REVOKE_LEASES);
    await vso.leaveDynamic("db", TARGETS);
    await vso.leaveDynamic("other");
    world.start();
    await world.advance("20m");
    for (const annotation of ["vso", null]) {
      for (const name of ["db", "other"]) {
        await world.edit(DYNAMIC, name, { metadata: { annotations: { "keyferry.dev/handed-over": annotation } } });
      }
      await world.advance("40s");
    }
    assert.equal(await logsIn(world), true);
    // As the command leaves it: then its clean-up begins before it is gone.
    await world.edit(DYNAMIC, "db", { metadata: { finalizers: [VAULT_DYNAMIC_SECRET.finalizer] } });
    for (const name of ["db", "other"]) await world.remove(DYNAMIC, name);
    await world.advance("90s");
    assert.deepEqual(
      world.vault.liveLeases().map(({ id }) => id),
      [],
    );
    assert.deepEqual(await world.store.retired(), []);
  });
});
