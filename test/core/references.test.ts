import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aServiceAccount, aStaticSecret, aVaultAuth, aVaultConnection, aVaultSecret } from "./world/builders.ts";
import { aWorld } from "./world/world.ts";

describe("what a sync refers to", () => {
  it("lease-table 23: may appear later: it is written soon after its VaultAuth is there", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret("db", { vaultAuthRef: "team" }));
    await world.advance("2m");
    assert.match(world.condition("db"), /^False: REFERENCE_MISSING/);
    await world.given(aVaultAuth("team"));
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("lease-table 23: a service account that a login needs may be made later", async () => {
    await using world = await aWorld();
    const kubernetes = { role: "app", serviceAccount: "late" };
    await world.given(
      aVaultSecret(),
      aVaultAuth("team", { kubernetes }),
      aStaticSecret("db", { vaultAuthRef: "team" }),
    );
    await world.advance("30s");
    assert.match(world.condition("db"), /^False: REFERENCE_MISSING/);
    await world.given(aServiceAccount("late"));
    await world.advance("10m");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("a corrected VaultConnection is taken at once", async () => {
    await using world = await aWorld();
    await world.given(
      aVaultSecret(),
      aVaultConnection("team", "https://nowhere.test:8200"),
      aVaultAuth("team", { vaultConnectionRef: "team" }),
      aStaticSecret("db", { vaultAuthRef: "team" }),
    );
    await world.advance("1m");
    assert.equal(world.secret("db"), undefined);
    await world.given(aVaultConnection("team"));
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("a role that is taken away stops the refreshes, and its Secret stays", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aVaultAuth("team"), aStaticSecret("db", { vaultAuthRef: "team" }));
    await world.advance("10s");
    await world.given(aVaultAuth("team", { kubernetes: { role: "none", serviceAccount: "app" } }));
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.password, "one");
    assert.match(world.condition("db"), /VAULT_LOGIN_REFUSED/);
  });

  it("a VaultAuth of another namespace that does not allow it is not used", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aVaultAuth("closed", { allowedNamespaces: ["other"] }, "vso"));
    await world.given(aStaticSecret("db", { vaultAuthRef: "vso/closed" }));
    await world.advance("1m");
    assert.equal(world.secret("db"), undefined);
    assert.match(world.condition("db"), /REFERENCE_NOT_ALLOWED/);
  });

  it("the token of a login that nothing refers to any more is ended", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aVaultAuth("team"), aStaticSecret("db", { vaultAuthRef: "team" }));
    await world.advance("10s");
    assert.equal(world.vault.server.tokens.alive().length, 1);
    await world.remove("VaultStaticSecret", "db");
    await world.advance("15m");
    assert.equal(world.vault.server.tokens.alive().length, 0);
  });
});
