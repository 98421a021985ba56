import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aPushingWorld, aSecret, held } from "../world/pushing.ts";

describe("an annotation that comes and goes", () => {
  it("pushes again when the same annotation is put back", async () => {
    await using world = await aPushingWorld();
    const declared = annotations({ path: "kv/apps/shop/db" });
    await world.given(aSecret("db", { a: "1" }, { annotations: declared }));
    await world.advance("3s");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
    await world.edit("Secret", "db", { metadata: { annotations: { "vault-sync.io/path": null } } });
    await world.advance("3s");
    assert.equal(await held(world, "apps/shop/db"), undefined);
    await world.edit("Secret", "db", { metadata: { annotations: declared } });
    await world.advance("5m");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
  });
});
