import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret, aVaultAuth, aVaultSecret } from "./world/builders.ts";
import { aWorld, type World } from "./world/world.ts";

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `sync-${at}`);

describe("a static secret", () => {
  it("is written soon after it is declared, and says so", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "one");
    assert.match(world.condition("db"), /^True/);
    assert.deepEqual(world.secret("db")?.owners, ["db"]);
  });

  it("follows a change in Vault within refreshAfter", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("5s");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("60s");
    assert.equal(world.secret("db")?.data.password, "two");
  });

  it("that nothing changed of costs one read of Vault for all who share the path, and nothing else", async () => {
    await using world = await aWorld();
    const sharers = names(20).map((name) => aStaticSecret(name, { path: "db" }));
    await world.given(aVaultSecret(), ...sharers);
    await world.advance("2m");
    const costs = await world.counting(() => world.advance("54s"));
    assert.deepEqual(costs, { requests: 0, claims: 0, settles: 0, logins: 0, reads: 1 });
  });

  it("never shares a read with one of another identity, though both are of one batch and one path", async () => {
    await using world = await aWorld();
    await world.vault.writePolicy("shut", 'path "kv/data/other" { capabilities = ["read"] }');
    await world.vault.write("auth/kubernetes-east/role/shut", {
      ...{ bound_service_account_names: "*", bound_service_account_namespaces: "*", token_policies: "shut" },
    });
    await world.given(
      aVaultSecret(),
      aVaultAuth("open"),
      aVaultAuth("shut", { kubernetes: { role: "shut", serviceAccount: "app" } }),
      aStaticSecret("allowed", { path: "db", vaultAuthRef: "open" }),
      aStaticSecret("refused", { path: "db", vaultAuthRef: "shut" }),
    );
    await world.advance("3m");
    const keys = ["allowed", "refused"].map((name) => world.key(name));
    for (const lane of ["now", "refresh"] as const)
      await world.queue.send([{ kind: "keys", keys, lane, at: world.time.now() }]);
    await world.advance("2m");
    assert.equal(world.secret("allowed")?.data.password, "one");
    assert.equal(world.secret("refused"), undefined);
    assert.match(world.condition("refused"), /^False: VAULT_DENIED/);
  });

  it("that was fed one read of Vault is fed its own path's, whoever travels beside it", async () => {
    await using world = await aWorld();
    const paths = names(10);
    await world.given(
      ...paths.map((path) => aVaultSecret(path, { password: path })),
      ...paths.map((name) => aStaticSecret(name)),
    );
    await world.advance("90s");
    for (const name of paths) assert.equal(world.secret(name)?.data.password, name);
  });

  it("of kv-v1 has no versions, and is followed as well", async () => {
    await using world = await aWorld();
    await world.vault.putKv("old", "db", { password: "one" });
    await world.given(aStaticSecret("db", { type: "kv-v1", mount: "old" }));
    await world.advance("5s");
    await world.vault.putKv("old", "db", { password: "two" });
    await world.advance("60s");
    assert.equal(world.secret("db")?.data.password, "two");
  });

  it("that is pinned to a version stays at it", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aVaultSecret("db", { password: "two" }), aStaticSecret("db", { version: 1 }));
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("follows its declaration at once: another path, another destination", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aVaultSecret("other", { password: "other" }), aStaticSecret());
    await world.advance("5s");
    await world.given(aStaticSecret("db", { path: "other" }));
    await world.advance("3s");
    assert.equal(world.secret("db")?.data.password, "other");
    await world.given(aStaticSecret("db", { path: "other", destination: { name: "elsewhere" } }));
    await world.advance("5s");
    assert.equal(world.secret("elsewhere")?.data.password, "other");
    assert.equal(world.secret("db"), undefined);
  });

  it("lease-table 9: takes no older answer of a standby that lags, until it has said so for half a minute", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "10s" }));
    await world.advance("5s");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("10s");
    assert.equal(world.secret("db")?.data.password, "two");
    world.vault.server.kv("kv")?.lag("db", 1);
    await world.advance("25s");
    assert.equal(world.secret("db")?.data.password, "two");
    world.vault.server.kv("kv")?.lag("db", 0);
    await world.advance("20s");
    assert.equal((await world.row())?.state.error, undefined);
    world.vault.server.kv("kv")?.lag("db", 1);
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.password, "one", "a restored Vault is believed in the end");
  });

  it("of a version that was deleted keeps its Secret, and comes back with the next version", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "10s" }));
    await world.advance("5s");
    await world.vault.remove("kv/data/db");
    await world.advance("1m");
    assert.equal(world.secret("db")?.data.password, "one");
    assert.match(world.condition("db"), /VAULT_PATH_MISSING/);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("5m");
    assert.equal(world.secret("db")?.data.password, "two");
  });

  it("whose path is missing is written soon after somebody asks for it again", async () => {
    await using world = await aWorld();
    await world.given(aStaticSecret());
    await world.advance("1m");
    assert.match(world.condition("db"), /VAULT_PATH_MISSING/);
    await world.given(aVaultSecret());
    await world.edit("VaultStaticSecret", "db", { metadata: { annotations: { touched: "now" } } });
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("kubernetes-rules 21: has a MAC of its data in its status where there is a key for it, and none where there is none", async () => {
    const macOf = (world: World) => Object(world.resource("db")?.status).secretMAC as unknown;
    await using without = await aWorld();
    await without.given(aVaultSecret(), aStaticSecret());
    await without.advance("10s");
    assert.equal(macOf(without) ?? "", "");
    await using world = await aWorld();
    const key = { key: Buffer.alloc(16, 5).toString("base64") };
    const metadata = { name: "vso-cc-storage-hmac-key", namespace: "vso" };
    await world.cluster().apply({ apiVersion: "v1", kind: "Secret", metadata, data: key });
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("10s");
    const before = String(macOf(world));
    assert.equal(Buffer.from(before, "base64").length, 32);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.password, "two");
    assert.notEqual(macOf(world), before);
  });

  it("lease-table 5: an edit that was undone before anybody saw it is observed in the status", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("10s");
    world.crash();
    await world.given(aStaticSecret("db", { path: "other" }));
    await world.given(aStaticSecret());
    // Its cursors are too old, so it lists, and sees the last version alone.
    await world.cluster().restart();
    world.start();
    await world.advance("2m");
    const { metadata, status } = world.resource("db") ?? assert.fail();
    assert.equal(metadata.generation, 3);
    assert.equal(Object(status).observedGeneration, 3);
  });
});
