import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDynamicSecret } from "./world/builders.ts";
import { aWorld, type World } from "./world/world.ts";

/** Whether what the Secret has gets in at the database. */
async function logsIn(world: World, name = "db"): Promise<boolean> {
  const { username = "", password = "" } = world.secret(name)?.data ?? {};
  return world.vault.login(username, password);
}

describe("a dynamic secret", () => {
  it("logs in for as long as it is declared, by one lease that is renewed", async () => {
    await using world = await aWorld();
    await world.vault.putDatabaseRole("db", { defaultTtl: "60s", maxTtl: "24h" });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    assert.match(world.condition("db", "Ready", "VaultDynamicSecret"), /^True/);
    const user = world.secret("db")?.data.username;
    for (let minutes = 0; minutes < 30; minutes++) {
      await world.advance("60s");
      assert.equal(await logsIn(world), true, `after ${minutes} minutes`);
    }
    assert.equal(world.secret("db")?.data.username, user);
    assert.equal(world.vault.liveLeases().length, 1);
  });

  it("is another credential before the lease meets its maximum", async () => {
    await using world = await aWorld();
    await world.vault.putDatabaseRole("db", { defaultTtl: "60s", maxTtl: "5m" });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const user = world.secret("db")?.data.username;
    for (let minutes = 0; minutes < 10; minutes++) {
      await world.advance("60s");
      assert.equal(await logsIn(world), true, `after ${minutes} minutes`);
    }
    assert.notEqual(world.secret("db")?.data.username, user);
    assert.ok(world.vault.liveLeases().length <= 2);
  });
});
