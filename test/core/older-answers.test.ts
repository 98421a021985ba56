import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret, aVaultAuth, aVaultConnection, aVaultSecret } from "./world/builders.ts";
import { aWorld, type World } from "./world/world.ts";

/** A Secret with the second password of its path. */
async function twice(): Promise<World> {
  const world = await aWorld();
  await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "1h" }));
  await world.advance("5s");
  await world.given(aVaultSecret("db", { password: "two" }));
  await world.edit("VaultStaticSecret", "db", { metadata: { annotations: { touched: "once" } } });
  await world.advance("10s");
  assert.equal(world.secret("db")?.data.password, "two");
  return world;
}

const lag = (world: World, versions: number) => world.vault.server.kv("kv")?.lag("db", versions);

describe("lease-table 9: a standby that lags behind", () => {
  it("is not believed for a changed declaration of the same path; a version that it names is taken at once", async () => {
    await using world = await twice();
    lag(world, 1);
    await world.given(aStaticSecret("db", { refreshAfter: "2h" }));
    await world.advance("10s");
    assert.equal(world.secret("db")?.data.password, "two");
    lag(world, 0);
    await world.advance("10s");
    assert.equal((await world.row())?.state.appliedHash, (await world.row())?.declared.hash);
    await world.given(aStaticSecret("db", { refreshAfter: "2h", version: 1 }));
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "one", "somebody went back to it");
  });

  it("after an outage in which the declaration changed does not put the former data back", async () => {
    await using world = await twice();
    world.vault.fail("refused");
    await world.given(aStaticSecret("db", { refreshAfter: "2h" }));
    await world.advance("20s");
    lag(world, 1);
    world.vault.fail(undefined);
    await world.advance("20s");
    lag(world, 0);
    assert.equal(world.secret("db")?.data.password, "two");
    await world.advance("20m");
    assert.equal(world.secret("db")?.data.password, "two");
    assert.equal((await world.row())?.state.appliedHash, (await world.row())?.declared.hash);
  });

  it("nor after a declaration that was not valid", async () => {
    await using world = await twice();
    await world.given(aStaticSecret("db", { refreshAfter: "soon" }));
    await world.advance("10s");
    assert.equal((await world.row())?.state.error?.code, "SPEC_INVALID");
    lag(world, 1);
    await world.given(aStaticSecret("db", { refreshAfter: "2h" }));
    await world.advance("10s");
    assert.equal(world.secret("db")?.data.password, "two");
  });

  it("is not believed for the time of an outage in which it said nothing", async () => {
    await using world = await twice();
    lag(world, 1);
    await world.given(aStaticSecret("db", { refreshAfter: "2h" }));
    await world.advance("3s");
    world.vault.fail("refused");
    await world.advance("60s");
    world.vault.fail(undefined);
    await world.advance("15s");
    assert.equal(world.secret("db")?.data.password, "two");
  });

  it("is believed in the end, for a changed declaration as well: Vault may have been restored", async () => {
    await using world = await twice();
    lag(world, 1);
    await world.given(aStaticSecret("db", { refreshAfter: "2h" }));
    await world.advance("45s");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("is no other Vault, to which the declaration moves while that one is away, though its data is older", async () => {
    const OTHER = "https://other.test:8200";
    await using world = await aWorld();
    const other = world.otherVault(OTHER);
    await other.enableKv("kv", 2);
    await other.writePolicy("app", 'path "kv/*" { capabilities = ["read"] }');
    await other.enableKubernetesAuth(world.cluster(), { mount: "kubernetes-east" });
    await other.write("auth/kubernetes-east/role/app", {
      ...{ bound_service_account_names: "*", bound_service_account_namespaces: "*" },
      ...{ token_policies: "app", token_ttl: "1h" },
    });
    await other.putKv("kv", "db", { password: "other" });
    await world.advance("5s");
    const way = { vaultAuthRef: "other", refreshAfter: "1h" };
    await world.given(aVaultSecret(), aVaultConnection("other", OTHER));
    await world.given(aVaultAuth("other", { vaultConnectionRef: "other" }));
    await world.given(aStaticSecret("db"), aStaticSecret("b", { ...way, path: "db", refreshAfter: "10s" }));
    await world.advance("10s");
    other.fail("refused");
    await world.advance("3m");
    await world.given(aStaticSecret("db", way));
    await world.advance("10s");
    assert.equal(world.secret("db")?.data.password, "one");
    other.fail(undefined);
    await world.advance("25s");
    assert.equal(world.secret("db")?.data.password, "other");
  });
});
