import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pushPlace } from "../../../lib/ports/rows.ts";
import { VAULT } from "../world/builders.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";
import type { World } from "../world/world.ts";

const at = (path: string) => ({ annotations: annotations({ path }) });

/** fleet.yaml gets an entry in `vaults` with the address that the clusters had all along. */
function named(world: World, ...addresses: readonly string[]): void {
  const vaults = [{ name: "main", addresses: [...addresses, VAULT], identities: [] }];
  world.fleet((all) => all.map((one) => ({ ...one, vaults })));
}

function restarted(world: World): void {
  world.crash();
  world.start();
}

async function pushedBy(world: World, name: string, kind = "Secret"): Promise<readonly string[]> {
  const { pushed = [] } = (await world.row(name, kind))?.state ?? {};
  return pushed.map((path) => `${path.vault} ${pushPlace(path).path} ${path.version}`);
}

function warnings(world: World, name: string): readonly string[] {
  return world.events(name).flatMap(({ type, message }) => (type === "Warning" ? [message] : []));
}

describe("a Vault that gets a name in fleet.yaml after pushes to its address", () => {
  it("keeps what was pushed, under its name, without a version or an event", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("db", { a: "1" }, at("kv/apps/shop/db")));
    await world.given(aSecret("one"), aSecret("two"), aPushed({ path: "kv/apps/shop/app" }, ["one", "two"]));
    await world.advance("1m");
    assert.deepEqual(await pushedBy(world, "db"), [`${VAULT} kv/apps/shop/db 1`]);
    named(world);
    restarted(world);
    await world.advance("10m");
    assert.deepEqual(await pushedBy(world, "db"), ["main kv/apps/shop/db 1"]);
    assert.deepEqual((await pushedBy(world, "app", "Deployment")).toSorted(), [
      "main kv/apps/shop/app/one 1",
      "main kv/apps/shop/app/two 1",
    ]);
    assert.equal(versions(world, "apps/shop/db"), 1);
    assert.deepEqual(warnings(world, "db"), []);
    const places = async (vault: string) => (await world.store.byPlace(vault, { prefix: "kv" })).items.length;
    assert.deepEqual([await places(VAULT), await places("main")], [0, 3]);
  });

  it("takes a Secret that changed meanwhile as one more version", async () => {
    await using world = await aPushingWorld({ conflict: "fail" });
    await world.given(aSecret("db", { a: "1" }, at("kv/apps/shop/db")));
    await world.advance("1m");
    world.crash();
    named(world, "https://other.test:8200");
    await world.edit("Secret", "db", { data: { a: base64("2") } });
    world.start();
    await world.advance("5m");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "2" });
    assert.deepEqual(await pushedBy(world, "db"), ["main kv/apps/shop/db 2"]);
    assert.deepEqual(warnings(world, "db"), []);
  });

  it("lease-table 31: gives no path to another object before its owner ran again, nor after", async () => {
    await using world = await aPushingWorld({ conflict: "adopt" }, { clusters: [{}, { name: "west" }] });
    await world.cluster("west").apply(aSecret("first", { from: "first" }, at("kv/apps/shop/one")));
    await world.advance("1m");
    world.crash();
    named(world);
    world.cluster("west").fail("refused");
    world.start();
    await world.given(aSecret("second", { from: "second" }, at("kv/apps/shop/one")));
    await world.advance("12m");
    const { error } = (await world.row("second", "Secret"))?.state ?? {};
    assert.match(`${error?.code}: ${error?.message}`, /PATH_TAKEN: .*belongs to Secret shop\/first of cluster west/);
    world.cluster("west").fail(undefined);
    await world.advance("20m");
    assert.deepEqual(await held(world, "apps/shop/one"), { from: "first" });
    assert.equal((await world.row("second", "Secret"))?.state.error?.code, "PATH_TAKEN");
    await world.remove("Secret", "first", { cluster: "west" });
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/shop/one"), { from: "second" });
  });

  it("is still cleaned up by what waited for it", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("db", { a: "1" }, at("kv/apps/shop/db")));
    await world.advance("1m");
    world.vault.fail("refused");
    await world.remove("Secret", "db");
    await world.advance("2m");
    named(world);
    restarted(world);
    await world.given(aSecret("next", { from: "next" }, at("kv/apps/shop/db")));
    await world.advance("2m");
    world.vault.fail(undefined);
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
    await world.advance("20m");
    assert.deepEqual(await held(world, "apps/shop/db"), { from: "next" });
    assert.deepEqual((await world.store.byPlace(VAULT, { prefix: "kv" })).items, []);
  });

  it("loses the keys that leave the Secret, by merge", async () => {
    await using world = await aPushingWorld({ conflict: "merge" });
    await world.given({ vault: "apps/shop/db", data: { theirs: "1" } });
    await world.given(aSecret("db", { a: "1", b: "2" }, at("kv/apps/shop/db")));
    await world.advance("1m");
    world.crash();
    named(world);
    await world.edit("Secret", "db", { data: { b: null } });
    world.start();
    await world.advance("5m");
    assert.deepEqual(await held(world, "apps/shop/db"), { theirs: "1", a: "1" });
  });
});

describe("an entry of fleet.yaml that is renamed", () => {
  it("is another Vault: what equals its Secret is recorded anew, and an event says that it stays", async () => {
    await using world = await aPushingWorld();
    world.fleet((all) =>
      all.map((one) => ({ ...one, vaults: [{ name: "former", addresses: [VAULT], identities: [] }] })),
    );
    await world.given(aSecret("db", { a: "1" }, at("kv/apps/shop/db")));
    await world.advance("5m");
    assert.deepEqual(await pushedBy(world, "db"), ["former kv/apps/shop/db 1"]);
    named(world);
    restarted(world);
    await world.advance("5m");
    assert.deepEqual(await pushedBy(world, "db"), ["main kv/apps/shop/db 1"]);
    assert.deepEqual(warnings(world, "db"), [
      "kv/apps/shop/db stays in Vault: fleet.yaml names another Vault than former",
    ]);
  });
});
