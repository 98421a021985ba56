import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PushSettings } from "../../../lib/ports/fleet-push.ts";
import type { Effect } from "../world/effects.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";
import type { World } from "../world/world.ts";

const PATH = "apps/shop/app";
const DECLARED = { path: `kv/${PATH}`, secrets: '[{"name":"db","keys":["user","password"]}]' };
const ONE = { user: "app", password: "one" };

async function pushing(push: Partial<PushSettings> = {}): Promise<World> {
  const world = await aPushingWorld(push);
  await world.given(aSecret(), aPushed(DECLARED));
  await world.advance("1m");
  return world;
}

async function removed(world: World): Promise<void> {
  await world.remove("Deployment", "app");
  await world.advance("1m");
}

function told(world: World): string {
  return world
    .events("app")
    .map(({ message }) => message)
    .join("\n");
}

describe("a removal", () => {
  it("leaves someone else's version, also with the same data", async () => {
    for (const deletion of ["version", "metadata"] as const) {
      await using world = await pushing({ deletion });
      await world.vault.putKv("kv", PATH, ONE);
      await removed(world);
      assert.deepEqual([await held(world, PATH), versions(world, PATH)], [ONE, 2]);
      assert.match(told(world), /stays in Vault: it holds another version/);
    }
  });

  it("leaves a version of the same number of a path that was removed and written again", async () => {
    await using world = await pushing();
    await world.vault.remove(`kv/metadata/${PATH}`);
    await world.vault.putKv("kv", PATH, { theirs: "x" });
    await removed(world);
    assert.deepEqual(await held(world, PATH), { theirs: "x" });
  });

  it("of kv-v1 goes by the data", async () => {
    for (const [data, left] of [
      [ONE, undefined],
      [{ theirs: "x" }, { theirs: "x" }],
    ] as const) {
      await using world = await aPushingWorld();
      await world.given(aSecret("db", ONE, { annotations: annotations({ path: `old/${PATH}` }) }));
      await world.advance("1m");
      await world.vault.write(`old/${PATH}`, data);
      await world.remove("Secret", "db");
      await world.advance("1m");
      assert.deepEqual(await held(world, PATH, "old"), left);
    }
  });

  it("takes merged keys out of a version in which others changed their own", async () => {
    await using world = await pushing({ conflict: "merge" });
    await world.vault.putKv("kv", PATH, { ...ONE, theirs: "x" });
    await removed(world);
    assert.deepEqual(await held(world, PATH), { theirs: "x" });
  });
});

describe("deletion: metadata", () => {
  it("removes a path whose newest version is ours, and deleted", async () => {
    await using world = await pushing({ deletion: "metadata" });
    await world.vault.remove(`kv/data/${PATH}`);
    await removed(world);
    assert.equal(versions(world, PATH), 0);
  });

  it("leaves a path whose newest version is someone else's, and deleted", async () => {
    await using world = await pushing({ deletion: "metadata" });
    await world.vault.putKv("kv", PATH, { theirs: "x" });
    await world.vault.remove(`kv/data/${PATH}`);
    await removed(world);
    assert.equal(versions(world, PATH), 2);
  });

  it("leaves what someone else writes between its steps", async () => {
    await using world = await aPushingWorld({ deletion: "metadata" }, { isAsleep: true });
    let isRemoving = false;
    const effect: Effect = async (name, work) => {
      const result = await work();
      if (!isRemoving || name !== "vault kv-v2") return result;
      isRemoving = false;
      await world.vault.putKv("kv", PATH, { theirs: "x" });
      return result;
    };
    world.start({ effect });
    await world.given(aSecret(), aPushed(DECLARED));
    await world.advance("1m");
    isRemoving = true;
    await removed(world);
    assert.equal(isRemoving, false);
    assert.deepEqual([await held(world, PATH), versions(world, PATH)], [{ theirs: "x" }, 2]);
    assert.match(told(world), /stays in Vault: someone else wrote to it/);
  });
});

describe("after a crash that followed a write", () => {
  /** Its record is lost, and the object goes before the next run. */
  const lost = async (push: Partial<PushSettings>, change: (world: World) => Promise<void>): Promise<World> => {
    const world = await aPushingWorld(push, { isAsleep: true });
    let isStopped = false;
    let isWaiting = false;
    const never = new Promise<never>(() => undefined);
    const effect: Effect = async (name, work) => {
      if (isStopped) return never;
      if (!isWaiting || name !== "vault push") return work();
      await work();
      isStopped = true;
      return never;
    };
    world.start({ effect });
    await world.given({ vault: PATH, data: { theirs: "x" } });
    await world.given(aSecret("db", { ...ONE, more: "m" }), aPushed(DECLARED));
    await world.advance("1m");
    isWaiting = true;
    await change(world);
    await world.advance("1m");
    assert.equal(isStopped, true);
    world.crash();
    const row = await world.row("app", "Deployment");
    await world.remove("Deployment", "app");
    // The deletion is seen before the row's next run.
    await world.store.tombstone(world.key("app", "Deployment"), row?.declared.uid ?? "", world.time.now());
    world.start();
    await world.advance("6m");
    return world;
  };
  const wider = (world: World) =>
    world.edit("Deployment", "app", {
      metadata: { annotations: annotations({ secrets: '[{"name":"db","keys":["user","password","more"]}]' }) },
    });
  const changed = (world: World) => world.edit("Secret", "db", { data: { password: base64("two") } });

  for (const [what, change] of [
    ["a new key", wider],
    ["a changed value", changed],
  ] as const) {
    it(`merge: ${what} goes with the object, and others' fields stay`, async () => {
      await using world = await lost({ conflict: "merge" }, change);
      assert.deepEqual(await held(world, PATH), { theirs: "x" });
    });

    it(`adopt: ${what} goes with the object`, async () => {
      await using world = await lost({ conflict: "adopt", deletion: "metadata" }, change);
      assert.equal(versions(world, PATH), 0);
    });
  }
});
