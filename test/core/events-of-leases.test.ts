import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDynamicSecret } from "./world/builders.ts";
import { anIssuingWorld, aPkiSecret, statusOf } from "./world/issuing.ts";
import { aWorld } from "./world/world.ts";

describe("a lease that an event names", () => {
  it("is looked up, and issued anew only if it is gone", async () => {
    await using world = await aWorld();
    await world.vault.putDatabaseRole("db");
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const [lease] = world.vault.liveLeases("database/creds/db");
    const first = world.secret("db")?.data.username;
    await world.tells({ kind: "path", path: "database/creds/db", lease: true });
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.username, first);
    await world.vault.write("sys/leases/revoke", { lease_id: lease?.id });
    await world.tells({ kind: "prefix", prefix: "database/creds", lease: true });
    await world.advance("5s");
    assert.notEqual(world.secret("db")?.data.username, first);
    assert.equal(world.vault.liveLeases("database/creds/db").length, 1);
  });
});

describe("a lease in doubt", () => {
  it("stays in doubt while Vault does not answer, also when the row was settled meanwhile", async () => {
    await using world = await aWorld();
    await world.vault.putDatabaseRole("db", { defaultTtl: "24h" });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const first = world.secret("db")?.data.username;
    const [lease] = world.vault.liveLeases("database/creds/db");
    await world.vault.write("sys/leases/revoke", { lease_id: lease?.id });
    world.vault.fail("refused");
    await world.tells({ kind: "path", path: "database/creds/db", lease: true });
    await world.advance("45s");
    assert.equal(world.secret("db")?.data.username, first);
    world.vault.fail(undefined);
    await world.advance("60s");
    assert.notEqual(world.secret("db")?.data.username, first);
    assert.equal(world.vault.liveLeases("database/creds/db").length, 1);
  });
});

describe("a certificate whose mount changed", () => {
  it("is issued anew when Vault revoked it, or has another issuer, and for nothing else", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putPkiRole("short", { ttl: "10m" });
    await world.given(aPkiSecret("web"));
    await world.advance("5s");
    const serial = (): string => String(statusOf(world, "web", "VaultPKISecret").serialNumber);
    const after = async (): Promise<string> => {
      await world.tells({ kind: "prefix", prefix: "pki" });
      await world.advance("5s");
      return serial();
    };
    const first = serial();
    assert.equal(await after(), first);
    await world.vault.write("pki/revoke", { serial_number: first });
    const second = await after();
    assert.notEqual(second, first);
    assert.equal(await after(), second);
    await world.vault.write("pki/root/generate/internal", { common_name: "another root", ttl: "8760h" });
    const third = await after();
    assert.notEqual(third, second);
    assert.equal(await after(), third);
  });

  it("stays in doubt while Vault does not tell", async () => {
    await using world = await anIssuingWorld();
    await world.given(aPkiSecret("web"));
    await world.advance("5s");
    const serial = (): string => String(statusOf(world, "web", "VaultPKISecret").serialNumber);
    const first = serial();
    await world.vault.write("pki/revoke", { serial_number: first });
    world.vault.fail("refused");
    await world.tells({ kind: "path", path: "pki/issue/web" });
    await world.advance("45s");
    assert.equal(serial(), first);
    world.vault.fail(undefined);
    await world.advance("60s");
    assert.notEqual(serial(), first);
  });
});
