import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aPushed, aPushingWorld, aSecret, held } from "../world/pushing.ts";
import type { World } from "../world/world.ts";

const PATH = "kv/apps/shop/one";

function aPushedSecret(name: string, path = PATH) {
  return aSecret(name, { from: name }, { annotations: annotations({ path }) });
}

/** `first` has the path, and `second` was refused some minutes ago. */
async function aTakenPath(): Promise<World> {
  const world = await aPushingWorld();
  await world.given(aPushedSecret("first"));
  await world.advance("1m");
  await world.given(aPushedSecret("second"));
  await world.advance("10m");
  const { error } = (await world.row("second", "Secret"))?.state ?? {};
  assert.match(`${error?.code}: ${error?.message}`, /PATH_TAKEN: kv\/apps\/shop\/one belongs to Secret shop\/first/);
  assert.deepEqual(await held(world, "apps/shop/one"), { from: "first" });
  return world;
}

describe("a path that another object pushes to", () => {
  it("goes to the one that waits when that object goes", async () => {
    await using world = await aTakenPath();
    await world.remove("Secret", "first");
    await world.advance("3s");
    assert.deepEqual(await held(world, "apps/shop/one"), { from: "second" });
    assert.equal((await world.row("second", "Secret"))?.state.awaits, undefined);
  });

  it("goes to the one that waits when that object names another path", async () => {
    await using world = await aTakenPath();
    const metadata = { annotations: annotations({ path: "kv/apps/shop/two" }) };
    await world.edit("Secret", "first", { metadata });
    await world.advance("35s");
    assert.deepEqual(await held(world, "apps/shop/two"), { from: "first" });
    assert.deepEqual(await held(world, "apps/shop/one"), { from: "second" });
  });

  it("goes to the one that waits when a workload does not mount its Secret any more", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("a", { from: "a" }), aSecret("b", { from: "b" }));
    await world.given(aPushed({ path: "kv/apps/shop/app" }, ["a", "b"]));
    await world.advance("1m");
    await world.given(aPushedSecret("waits", "kv/apps/shop/app/b"));
    await world.advance("10m");
    const { spec } = aPushed({ path: "kv/apps/shop/app" }, ["a"]);
    await world.edit("Deployment", "app", { spec });
    await world.advance("3s");
    assert.deepEqual(await held(world, "apps/shop/app/b"), { from: "waits" });
  });

  it("goes to the one that waits when that object's cluster leaves fleet.yaml", async () => {
    await using world = await aPushingWorld({ conflict: "adopt" }, { clusters: [{}, { name: "west" }] });
    await world.cluster("west").apply(aPushedSecret("first"));
    await world.advance("1m");
    await world.given(aPushedSecret("second"));
    await world.advance("10m");
    assert.equal((await world.row("second", "Secret"))?.state.error?.code, "PATH_TAKEN");
    world.fleet((all) => all.filter(({ name }) => name !== "west"));
    world.crash();
    world.start();
    await world.advance("5s");
    assert.deepEqual(await held(world, "apps/shop/one"), { from: "second" });
  });

  it("goes to the one that waits when fleet.yaml allows it to that object no more, and an event says that it stays", async () => {
    for (const paths of [["kv/east/**"], ["old/apps/**"]]) {
      await using world = await aPushingWorld({ conflict: "adopt" }, { clusters: [{}, { name: "west" }] });
      await world.given(aPushedSecret("first"));
      await world.advance("1m");
      await world.cluster("west").apply(aPushedSecret("second"));
      await world.advance("10m");
      assert.deepEqual(await held(world, "apps/shop/one"), { from: "first" });
      world.fleet((all) =>
        all.map((one) => (one.name === "east" && one.push ? { ...one, push: { ...one.push, paths } } : one)),
      );
      world.crash();
      world.start();
      await world.advance("2m");
      assert.equal((await world.row("first", "Secret"))?.state.error?.code, "PUSH_NOT_ALLOWED");
      assert.deepEqual(await held(world, "apps/shop/one"), { from: "second" });
      const messages = world.events("first").map(({ message }) => message);
      assert.ok(messages.includes(`${PATH} stays in Vault: push.paths of fleet.yaml does not allow it any more`));
    }
  });

  it("goes to the one that waits when that object never wrote it, and names one that is not allowed", async () => {
    await using world = await aPushingWorld();
    await world.given({ vault: "apps/shop/one", data: { theirs: "1" } }, aPushedSecret("first"));
    await world.advance("1m");
    assert.equal((await world.row("first", "Secret"))?.state.error?.code, "PUSH_CONFLICT");
    await world.given(aPushedSecret("second"));
    await world.advance("10m");
    assert.equal((await world.row("second", "Secret"))?.state.error?.code, "PATH_TAKEN");
    await world.vault.putKv("kv", "apps/shop/one", { from: "second" });
    await world.edit("Secret", "first", { metadata: { annotations: annotations({ path: "kv/elsewhere/x" }) } });
    await world.advance("1m");
    const { error, pushed } = (await world.row("first", "Secret"))?.state ?? {};
    assert.deepEqual([error?.code, pushed ?? []], ["PUSH_NOT_ALLOWED", []]);
    assert.equal((await world.row("second", "Secret"))?.state.error, undefined);
    assert.doesNotMatch(JSON.stringify(world.events("first")), /stays in Vault/);
  });

  it("stays with an object that wrote it, and names one now that is not allowed", async () => {
    await using world = await aTakenPath();
    await world.edit("Secret", "first", { metadata: { annotations: annotations({ path: "kv/elsewhere/x" }) } });
    await world.advance("15m");
    assert.equal((await world.row("first", "Secret"))?.state.error?.code, "PUSH_NOT_ALLOWED");
    assert.equal((await world.row("second", "Secret"))?.state.error?.code, "PATH_TAKEN");
    assert.deepEqual(await held(world, "apps/shop/one"), { from: "first" });
  });

  it("is looked at again shortly after the refusal, and then only slowly", async () => {
    await using world = await aTakenPath();
    const costs = await world.counting(() => world.advance("4m"));
    assert.ok(costs.claims <= 2, `${costs.claims} claims`);
  });
});
