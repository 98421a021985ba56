import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MAX_SOURCES } from "../../../lib/declarations/push/sources.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held } from "../world/pushing.ts";
import type { World } from "../world/world.ts";

const NAMES = Array.from({ length: MAX_SOURCES }, (_, n) => `db-${n}`);

async function moved(world: World, below: string): Promise<void> {
  await world.edit("Deployment", "app", { metadata: { annotations: annotations({ path: `kv/apps/shop/${below}` }) } });
  await world.advance("2m");
}

const paths = async (world: World) => (await world.row("app", "Deployment"))?.state.pushed?.length;
const code = async (world: World) => (await world.row("app", "Deployment"))?.state.error?.code;

describe("a workload with as many Secrets as are pushed", () => {
  it("moves, with all its paths in one claim", async () => {
    await using world = await aPushingWorld();
    await world.given(...NAMES.map((name) => aSecret(name)), aPushed({ path: "kv/apps/shop/a" }, NAMES));
    await world.advance("1m");
    await moved(world, "b");
    assert.deepEqual([await paths(world), await code(world)], [MAX_SOURCES, undefined]);
    assert.equal(await held(world, "apps/shop/a/db-0"), undefined);
    assert.notEqual(await held(world, "apps/shop/b/db-0"), undefined);
  });

  it("claims no more than a transaction holds while Vault refuses to remove its former paths", async () => {
    await using world = await aPushingWorld();
    await world.vault.writePolicy("push", 'path "kv/data/apps/*" { capabilities = ["create", "read", "update"] }');
    await world.given(...NAMES.map((name) => aSecret(name)), aPushed({ path: "kv/apps/shop/a" }, NAMES));
    await world.advance("1m");
    await moved(world, "b");
    assert.equal(await paths(world), 2 * MAX_SOURCES);
    await moved(world, "c");
    assert.deepEqual([await paths(world), await code(world)], [2 * MAX_SOURCES, "DESTINATION_UNSETTLED"]);
    await moved(world, "b");
    assert.notEqual(await code(world), "DESTINATION_UNSETTLED", "these paths it has");
  });
});
