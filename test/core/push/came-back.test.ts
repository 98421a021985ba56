import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aPushingWorld, aSecret, held, versions } from "../world/pushing.ts";

const WITHOUT = { metadata: { annotations: { "vault-sync.io/path": null } } };

describe("an annotation that comes back before its clean-up", () => {
  const back = async (path: string, data: Record<string, string>) => {
    const world = await aPushingWorld();
    await world.given(aSecret("db", { a: "1" }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
    await world.advance("1m");
    world.vault.server.isSealed = true;
    await world.edit("Secret", "db", WITHOUT);
    await world.advance("10s");
    await world.edit("Secret", "db", { data, metadata: { annotations: annotations({ path }) } });
    await world.advance("10s");
    world.vault.server.isSealed = false;
    await world.advance("10m");
    return world;
  };

  it("leaves nothing at a former path", async () => {
    await using world = await back("kv/apps/shop/moved", {});
    assert.deepEqual(
      [await held(world, "apps/shop/db"), await held(world, "apps/shop/moved")],
      [undefined, { a: "1" }],
    );
  });

  it("records what it pushed before", async () => {
    await using world = await back("kv/apps/shop/db", { a: "MQ==" });
    assert.deepEqual([await held(world, "apps/shop/db"), versions(world, "apps/shop/db")], [{ a: "1" }, 1]);
    await world.edit("Secret", "db", { data: { a: "Mg==" } });
    await world.advance("2m");
    assert.deepEqual([await held(world, "apps/shop/db"), versions(world, "apps/shop/db")], [{ a: "2" }, 2]);
  });

  it("is no conflict with itself when its Secret has changed meanwhile, and deletes nothing", async () => {
    await using world = await back("kv/apps/shop/db", { a: "Mg==" });
    assert.deepEqual([await held(world, "apps/shop/db"), versions(world, "apps/shop/db")], [{ a: "2" }, 2]);
    assert.equal([...world.vault.server.audit.keys()].filter((line) => line.includes("kv/delete/")).length, 0);
  });
});
