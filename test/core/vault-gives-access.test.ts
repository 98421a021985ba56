import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import type { FleetVault } from "../../lib/ports/fleet-vault.ts";
import { login } from "../../lib/vault/login.ts";
import { aStaticSecret, aVaultSecret } from "./world/builders.ts";
import type { MemoryVault } from "./world/vault.ts";
import { memoryVaultClient } from "./world/vault-client.ts";
import { aWorld, type World } from "./world/world.ts";

const ACCESS = "https://access.test:8200";
const AWAY = `vault:${ACCESS} VAULT_UNAVAILABLE`;
const NAMED: FleetVault = { name: "access", addresses: [ACCESS], identities: [] };

/** A cluster whose credentials come from a Vault of its own; its syncs read the other one. */
async function withAccess(settings: { readonly vaults?: readonly FleetVault[] } = { vaults: [NAMED] }) {
  const world = await aWorld({ clusters: [settings] });
  const access = world.otherVault(ACCESS);
  const { roleId, secretId } = await access.enableAppRole({ role: "ferry", policies: [] });
  const client = memoryVaultClient({ time: world.time, vaultAt: () => access });
  const none = () => Promise.reject(new Error("a connection has no credential in a cluster"));
  const credentials = { credential: none, secret: none, annotations: none };
  const identity = {
    ...{ id: "ferry", mount: "approle", headers: {} },
    target: { address: ACCESS, headers: {}, skipTlsVerify: false, timeoutMs: 3_000 },
    method: { kind: "appRole", roleId, credential: { kind: "file", path: "secret-id" } },
  } as const;
  world.cluster().access = async (signal) => {
    try {
      await login({ client, credentials, clock: world.time.now, readFile: async () => secretId }, identity, signal);
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      const { code, message, circuit } = error;
      throw new SyncError(code, `cluster east: ${message}`, circuit === undefined ? {} : { circuit });
    }
  };
  await world.given(aVaultSecret(), aStaticSecret());
  await world.advance("30s");
  assert.equal(world.secret("db")?.data.password, "one");
  return { world, access };
}

async function openCircuits(world: World): Promise<readonly string[]> {
  return (await world.store.circuits()).map(({ id, code }) => `${id} ${code}`);
}

const sealStatuses = ({ server }: MemoryVault): number => server.audit.get("read sys/seal-status") ?? 0;

describe("a Vault that gives access to a cluster", () => {
  for (const outage of ["refused", "silent"] as const) {
    it(`and is away (${outage}) is named by watch passes; no circuit of the cluster opens, and they resume`, async () => {
      const { world, access } = await withAccess();
      await using _ = world;
      access.fail(outage);
      await world.advance("5m");
      assert.deepEqual(
        (await openCircuits(world)).filter((one) => one.startsWith("cluster:")),
        [],
      );
      const state = (await world.store.cluster("east"))?.state;
      assert.equal(state?.error?.code, "VAULT_UNAVAILABLE");
      assert.match(state?.error?.message ?? "", /^cluster east: .*https:\/\/access\.test:8200/);
      const failed = world.log.filter(({ event }) => event === "watch-pass-failed");
      assert.ok(failed.length > 0);
      for (const { fields } of failed) assert.match(String(fields?.message), /access\.test:8200/);
      await world.given(aVaultSecret("new"), aStaticSecret("new"));
      access.fail(undefined);
      await world.advance("60s");
      assert.equal(world.secret("new")?.data.password, "one");
      assert.equal((await world.store.cluster("east"))?.state.error, undefined);
    });
  }

  it("is asked itself whether it is away, and not the Vault that the sync reads", async () => {
    const { world, access } = await withAccess();
    await using _ = world;
    access.fail("refused");
    await world.given(aVaultSecret("db", { password: "two" }));
    const before = sealStatuses(world.vault);
    await world.advance("2m");
    assert.deepEqual(await openCircuits(world), [AWAY]);
    assert.equal(sealStatuses(world.vault), before);
    assert.equal((await world.row())?.state.error?.code, "VAULT_UNAVAILABLE");
  });

  it("costs its syncs few attempts while it is away, and they go on by themselves", async () => {
    const { world, access } = await withAccess();
    await using _ = world;
    access.fail("refused");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("2m");
    const costs = await world.counting(() => world.advance("10m"));
    // Every 45 s at most, half of it on average; and the slots of the wheel that it had before.
    assert.ok(costs.claims > 0 && costs.claims <= 60, `${costs.claims} claims`);
    access.fail(undefined);
    await world.advance("60s");
    assert.equal(world.secret("db")?.data.password, "two");
    assert.deepEqual(await openCircuits(world), []);
    assert.equal((await world.row())?.state.error, undefined);
  });

  it("costs a clean-up few attempts while it is away, and it is done afterwards", async () => {
    const { world, access } = await withAccess();
    await using _ = world;
    await world.remove("VaultStaticSecret", "db");
    access.fail("refused");
    await world.advance("30s");
    const costs = await world.counting(() => world.advance("5m"));
    assert.ok(costs.claims > 0 && costs.claims <= 60, `${costs.claims} claims`);
    access.fail(undefined);
    // It backs off up to four minutes.
    await world.advance("5m");
    assert.equal(world.secret("db"), undefined);
    const left = (await world.store.byCluster("east")).map(({ key }) => key);
    assert.deepEqual(
      left.filter((key) => key.includes("/VaultStaticSecret/")),
      [],
    );
  });

  it("and is sealed costs no more than one that is away, whatever is to be written", async () => {
    const { world, access } = await withAccess();
    await using _ = world;
    await world.given(aStaticSecret("none", { path: "none" }));
    await access.seal();
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("90s");
    const costs = await world.counting(() => world.advance("5m"));
    assert.ok(costs.claims <= 60, `${costs.claims} claims`);
    assert.deepEqual(await openCircuits(world), [`vault:${ACCESS} VAULT_SEALED`]);
    await access.unseal();
    await world.advance("90s");
    assert.equal(world.secret("db")?.data.password, "two");
    assert.match(world.condition("none"), /VAULT_PATH_MISSING/);
  });

  it("keeps its circuit open as long as fleet.yaml names it, although no VaultConnection leads there", async () => {
    const { world, access } = await withAccess();
    await using _ = world;
    access.fail("refused");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("10m");
    assert.deepEqual(await openCircuits(world), [AWAY]);
    assert.equal(world.log.filter(({ event }) => event === "circuit-opened").length, 1);
    world.fleet((clusters) => clusters.map(({ vaults: _vaults, ...settings }) => settings));
    await world.advance("30s");
    assert.equal(world.log.filter(({ event }) => event === "circuit-closed").length, 1);
  });
});
