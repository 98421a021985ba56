import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { annotations, aPushingWorld, aSecret, held } from "./world/pushing.ts";
import { base64 } from "./world/views.ts";
import { aWorld, type World } from "./world/world.ts";

/** Its next refresh is hours away: nothing but the drift itself brings the Secret back. */
async function synced(): Promise<World> {
  const world = await aWorld();
  await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "2h" }));
  await world.advance("10s");
  assert.equal(world.secret("db")?.data.password, "one");
  return world;
}

const EDIT = { data: { password: base64("eve") } };
const READS = (path: string): string => `path "${path}" { capabilities = ["read"] }`;

describe("lease-table 22: drift that meets a failure is repaired when the failure is over", () => {
  it("of rights in Vault", async () => {
    await using world = await synced();
    await world.vault.writePolicy("app", READS("other/*"));
    await world.edit("Secret", "db", EDIT);
    await world.advance("10s");
    assert.match(world.condition("db"), /VAULT_DENIED/);
    await world.vault.writePolicy("app", READS("*"));
    await world.advance("10m");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("of several runs", async () => {
    await using world = await synced();
    await world.vault.writePolicy("app", READS("other/*"));
    await world.remove("Secret", "db");
    await world.advance("30m");
    assert.equal(world.secret("db"), undefined);
    await world.vault.writePolicy("app", READS("*"));
    await world.advance("1h");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  /** The edit meets an outage of Vault, which is over a little later. */
  const editedDuring = async (world: World, outage: "refused" | "silent"): Promise<void> => {
    world.vault.fail(outage);
    await world.edit("Secret", "db", EDIT);
    await world.advance("20s");
    world.vault.fail(undefined);
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.password, "one");
  };

  for (const outage of ["refused", "silent"] as const) {
    it(`of a Vault (${outage})`, async () => {
      await using world = await synced();
      await editedDuring(world, outage);
    });
  }

  it("of a Vault whose outage was known before the drift was", async () => {
    await using world = await synced();
    await world.given(aVaultSecret("other"), aStaticSecret("other", { path: "other", refreshAfter: "5s" }));
    await world.advance("10s");
    world.vault.fail("refused");
    await world.advance("60s");
    assert.equal((await world.store.circuits()).length, 1);
    await editedDuring(world, "refused");
  });

  it("of a Vault that was pushed to, and has an edit there", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("db", { a: "1" }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
    await world.vault.write("kv/data/apps/shop/db", { data: { a: "eve" } });
    world.vault.fail("refused");
    const [row] = await world.store.byCluster("east");
    const key = row?.key ?? assert.fail("no row");
    await world.store.nudge(key, { now: world.time.now(), verify: true, atOnce: true });
    await world.advance("40s");
    world.vault.fail(undefined);
    await world.advance("5m");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
  });

  it("and one look is enough: the next refreshes ask the cluster nothing", async () => {
    await using world = await synced();
    await editedDuring(world, "refused");
    const costs = await world.counting(() => world.advance("3h"));
    assert.deepEqual([costs.claims, costs.settles], [0, 0]);
    await using undisturbed = await synced();
    const usual = await undisturbed.counting(() => undisturbed.advance("3h"));
    assert.equal(costs.requests, usual.requests);
  });
});
