import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { base64 } from "./world/views.ts";
import { aWorld, type World } from "./world/world.ts";

const EXTRA = { data: { extra: base64("1") } };

/** Another controller, which puts its key into the Secret again as often as it is taken away, until it is stopped. */
function aRival(world: World) {
  let writes = 0;
  const stop = world.cluster().server.objects.onChange(({ resource, object, type }) => {
    if (resource !== "secrets" || object.metadata.name !== "db" || type === "DELETED") return;
    if (Object(object.data).extra !== undefined) return;
    world.time.after(100, () => {
      writes += 1;
      void world.edit("Secret", "db", EXTRA);
    });
  });
  return { stop, writes: () => writes };
}

const told = (world: World) => world.events("db").filter(({ reason }) => reason === "SecretContested");

async function synced(): Promise<World> {
  const world = await aWorld();
  await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "1h" }));
  await world.advance("30s");
  return world;
}

describe("a Secret that another program changes again and again", () => {
  it("lease-table 9: is put back at once ten times, then once a minute, and that is told, with its name", async () => {
    await using world = await synced();
    const rival = aRival(world);
    await world.edit("Secret", "db", EXTRA);
    await world.advance("30s");
    assert.equal(told(world).length, 1);
    assert.match(
      told(world)[0]?.message ?? "",
      /changed 10 times in ten minutes and put back each time; .* is kubectl-edit\./,
    );
    const costs = await world.counting(() => world.advance("9m"));
    assert.ok(costs.claims <= 10, `${costs.claims} claims in nine minutes`);
    assert.ok(rival.writes() <= 21, `${rival.writes()} writes of the other program`);
    assert.equal(told(world).length, 1);
    assert.equal(world.log.filter(({ event }) => event === "secret-contested").length, 1);
    rival.stop();
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.extra, undefined, "the last one is put back, too");
  });

  it("lease-table 9: is put back at once again after ten quiet minutes", async () => {
    await using world = await synced();
    const rival = aRival(world);
    await world.edit("Secret", "db", EXTRA);
    await world.advance("2m");
    rival.stop();
    await world.advance("12m");
    await world.edit("Secret", "db", EXTRA);
    await world.advance("3s");
    assert.equal(world.secret("db")?.data.extra, undefined);
  });

  it("is followed all the same: new data in Vault, and a changed declaration, do not wait", async () => {
    await using world = await synced();
    aRival(world);
    await world.edit("Secret", "db", EXTRA);
    await world.advance("30s");
    assert.equal(told(world).length, 1);
    await world.edit("VaultStaticSecret", "db", { spec: { destination: { labels: { team: "shop" } } } });
    await world.advance("5s");
    assert.equal(world.secret("db")?.labels.team, "shop");
    await world.vaultWrites("db", { password: "two" });
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "two");
  });
});
