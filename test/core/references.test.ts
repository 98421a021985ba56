import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aNamespace,
  aServiceAccount,
  aStaticSecret,
  aVaultAuth,
  aVaultConnection,
  aVaultSecret,
  NAMESPACE,
} from "./world/builders.ts";
import { aDynamicSecret, anIssuingWorld, logsIn } from "./world/issuing.ts";
import { deniesPatchesIn } from "./world/webhooks.ts";
import { aWorld, type World } from "./world/world.ts";

/** VaultAuth `team`, which logs in by the AppRole credential in Secret `approle`. */
async function byAppRole(world: World) {
  const { roleId, secretId } = await world.vault.enableAppRole({ role: "app", policies: ["app"] });
  const appRole = { roleId, secretRef: "approle" };
  return {
    auth: aVaultAuth("team", { method: "appRole", mount: "approle", kubernetes: undefined, appRole }),
    credential: {
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "approle", namespace: NAMESPACE } },
      data: { id: Buffer.from(secretId).toString("base64") },
    },
  };
}

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

  it("a VaultConnection with an endless address fails its own syncs, and says so itself", async () => {
    await using world = await aWorld();
    await world.given(
      aVaultSecret(),
      aVaultConnection("endless", `https://nowhere.test/${"a".repeat(2_000)}`),
      aVaultAuth("endless", { vaultConnectionRef: "endless" }),
      aStaticSecret("db", { vaultAuthRef: "endless" }),
      aStaticSecret("other", { path: "db" }),
    );
    await world.advance("2m");
    assert.match(world.condition("db"), /^False: REFERENCE_INVALID.*address: must have at most 512 characters/);
    assert.match(world.condition("endless", "Ready", "VaultConnection"), /^False: REFERENCE_INVALID.*512 characters/);
    assert.deepEqual(await world.store.circuits(), []);
    assert.equal(world.secret("other")?.data.password, "one");
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

  it("a deleted credential Secret ends the access that it gave, also for syncs that are declared later", async () => {
    await using world = await aWorld();
    const { auth, credential } = await byAppRole(world);
    await world.given(aVaultSecret(), aVaultSecret("other"), credential, auth);
    await world.given(aStaticSecret("db", { vaultAuthRef: "team" }));
    await world.advance("2m");
    const { tokens } = world.vault.server;
    assert.deepEqual([world.secret("db")?.data.password, tokens.alive().length], ["one", 1]);
    await world.remove("Secret", "approle");
    await world.advance("2m");
    assert.equal(tokens.alive().length, 0);
    await world.given(aVaultSecret("db", { password: "two" }), aStaticSecret("other", { vaultAuthRef: "team" }));
    await world.advance("10m");
    assert.match(world.condition("db"), /^False: REFERENCE_MISSING/);
    assert.match(world.condition("other"), /^False: REFERENCE_MISSING/);
    assert.deepEqual([world.secret("db")?.data.password, world.secret("other")], ["one", undefined]);
    await world.given(credential);
    await world.advance("10s");
    assert.deepEqual([world.secret("db")?.data.password, world.secret("other")?.data.password], ["two", "one"]);
    assert.equal(tokens.alive().length, 1);
  });

  it("a deleted credential Secret ends no credential that is in use, and none is issued anew", async () => {
    await using world = await anIssuingWorld();
    const { auth, credential } = await byAppRole(world);
    await world.given(credential, auth, aDynamicSecret("db", { vaultAuthRef: "team" }));
    await world.advance("2m");
    const before = world.secret("db")?.data;
    await world.remove("Secret", "approle");
    await world.advance("10m");
    await world.given(credential);
    await world.advance("10m");
    assert.deepEqual([world.secret("db")?.data, await logsIn(world)], [before, true]);
    assert.equal(world.vault.liveLeases().length, 1);
    assert.match(world.condition("db", "Ready", "VaultDynamicSecret"), /^True/);
  });

  it("that changed while nobody watched, for so long that all is listed, is followed by syncs that aren't due", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aVaultAuth("team"));
    await world.given(aStaticSecret("db", { vaultAuthRef: "team", refreshAfter: "24h" }));
    await world.advance("10s");
    assert.match(world.condition("db"), /^True/);
    world.crash();
    await world.advance("15m");
    await world.given(aVaultAuth("team", { kubernetes: { role: "none", serviceAccount: "app" } }));
    world.start();
    await world.advance("1m");
    assert.match(world.condition("db"), /VAULT_LOGIN_REFUSED/);
  });
});

describe("the status of what syncs refer to", () => {
  const conditionOf = (world: World, kind: string, name = "team") => world.condition(name, "Ready", kind);

  it("says that it is ready, or what is wrong with it, and goes with what it refers to itself", async () => {
    await using world = await aWorld();
    await world.given(aVaultAuth("team", { vaultConnectionRef: "team" }));
    await world.advance("1m");
    assert.match(conditionOf(world, "VaultAuth"), /^False: .*REFERENCE_MISSING.*team/);
    await world.given(aVaultConnection("team"));
    await world.advance("10s");
    assert.match(conditionOf(world, "VaultConnection"), /^True/);
    assert.match(conditionOf(world, "VaultAuth"), /^True/);
    await world.edit("VaultConnection", "team", { spec: { address: "no address" } });
    await world.advance("10s");
    assert.match(conditionOf(world, "VaultConnection"), /^False/);
    assert.match(conditionOf(world, "VaultAuth"), /^False/);
  });

  it("is written once, and costs nothing while nothing changes", async () => {
    await using world = await aWorld();
    await world.given(aVaultConnection("team"), aVaultAuth("team", { vaultConnectionRef: "team" }));
    await world.advance("2m");
    const before = world.resource("team", "VaultAuth")?.metadata.resourceVersion;
    const costs = await world.counting(() => world.advance("1h"));
    assert.deepEqual([costs.claims, costs.settles], [0, 0]);
    assert.equal(world.resource("team", "VaultAuth")?.metadata.resourceVersion, before);
  });

  it("is no reason to keep it: it goes at once, though Vault Secrets Operator left its finalizer on it", async () => {
    await using world = await aWorld();
    const finalizers = ["vaultauth.secrets.hashicorp.com/finalizer"];
    const auth = aVaultAuth("team");
    await world.given({ ...auth, metadata: { ...auth.metadata, finalizers } });
    await world.advance("10s");
    await world.remove("VaultAuth", "team");
    await world.advance("10s");
    assert.equal(world.resource("team", "VaultAuth"), undefined);
  });

  it("costs nobody else a sync, though a webhook keeps that finalizer on it", async () => {
    await using world = await aWorld();
    const finalizers = ["vaultauth.secrets.hashicorp.com/finalizer"];
    const auth = aVaultAuth("bad", {}, "team");
    await world.given(aNamespace("team"), { ...auth, metadata: { ...auth.metadata, finalizers } });
    await world.given(aVaultSecret("two"));
    await world.advance("10s");
    world.cluster().fault = deniesPatchesIn("team");
    await world.remove("VaultAuth", "bad", { namespace: "team" });
    await world.advance("10s");
    await world.given(aVaultAuth("second"), aStaticSecret("two", { vaultAuthRef: "second" }));
    await world.advance("1m");
    assert.ok(world.secret("two"));
  });
});
