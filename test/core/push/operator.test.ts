import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";
import type { World } from "../world/world.ts";

const PATH = "apps/shop/app";
const SECRETS = '[{"name":"db","keys":["user","password"]}]';

/** An object that Vault Sync Operator pushed before, with equal data in Vault. */
async function takenOver(): Promise<World> {
  const world = await aPushingWorld();
  const declared = { path: `kv/${PATH}`, secrets: SECRETS, "secret-versions": '{"db":"12"}' };
  await world.given(
    { vault: PATH, data: { user: "app", password: "one" } },
    aSecret(),
    aSecret("other", { a: "1" }, { annotations: annotations({ path: "kv/apps/shop/other" }) }),
    aPushed(declared),
  );
  await world.advance("1m");
  return world;
}

/** What the operator does with a changed Secret: it writes the path, and its annotation after that. */
async function operatorPushes(world: World, password: string): Promise<void> {
  await world.vault.putKv("kv", PATH, { user: "app", password });
  await world.edit("Deployment", "app", {
    metadata: { annotations: annotations({ "secret-versions": `{"db":"${password}"}` }) },
  });
}

async function rotate(world: World, password: string): Promise<void> {
  await world.edit("Secret", "db", { data: { password: base64(password) } });
  await world.advance("40s");
}

async function codeOf(world: World): Promise<string | undefined> {
  return (await world.row("app", "Deployment"))?.state.error?.code;
}

describe("Vault Sync Operator", () => {
  it("is taken over from without a version, and its annotation stays as it is", async () => {
    await using world = await takenOver();
    assert.deepEqual([versions(world, PATH), await codeOf(world)], [1, undefined]);
    await rotate(world, "two");
    assert.deepEqual([versions(world, PATH), (await held(world, PATH))?.password], [2, "two"]);
    const { annotations: now = {} } = world.resource("app", "Deployment")?.metadata ?? {};
    assert.equal(now["vault-sync.io/secret-versions"], '{"db":"12"}');
    await world.advance("1h");
    assert.equal(await codeOf(world), undefined);
  });

  it("still at work is noticed by its next write, which suspends that object alone", async () => {
    await using world = await takenOver();
    await rotate(world, "two");
    await operatorPushes(world, "two");
    await world.advance("10s");
    const row = await world.row("app", "Deployment");
    assert.match(
      `${row?.state.error?.code}: ${row?.state.error?.message}`,
      /^PUSHED_BY_OPERATOR: .*Deployment shop\/app.*remove that annotation$/,
    );
    assert.deepEqual([row?.dueAt, row?.wheel], [undefined, undefined]);
    assert.ok(world.events("app").some(({ message }) => message.includes("PUSHED_BY_OPERATOR")));
    const before = versions(world, PATH);
    for (const password of ["three", "four", "five"]) {
      await rotate(world, password);
      await operatorPushes(world, password);
    }
    const costs = await world.counting(() => world.advance("1h"));
    assert.deepEqual([versions(world, PATH) - before, costs.reads, await codeOf(world)], [3, 0, "PUSHED_BY_OPERATOR"]);
    await world.edit("Secret", "other", { data: { a: base64("2") } });
    await world.advance("40s");
    assert.deepEqual(await held(world, "apps/shop/other"), { a: "2" });
  });

  for (const [how, change] of Object.entries({
    "removing its annotation": { "secret-versions": null },
    "a new value of keyferry.dev/refresh": { "keyferry.dev/refresh": "1" },
  })) {
    it(`is gone: ${how} lifts the suspension`, async () => {
      await using world = await takenOver();
      await operatorPushes(world, "two");
      await world.advance("10s");
      assert.equal(await codeOf(world), "PUSHED_BY_OPERATOR");
      const changed = annotations(change as Record<string, string>);
      await world.edit("Deployment", "app", { metadata: { annotations: changed } });
      await rotate(world, "three");
      await world.advance("1m");
      assert.deepEqual([await codeOf(world), (await held(world, PATH))?.password], [undefined, "three"]);
      await operatorPushes(world, "four");
      await world.advance("10s");
      assert.equal(await codeOf(world), "PUSHED_BY_OPERATOR");
    });
  }

  it("may write before the first push: that is not a second write", async () => {
    await using world = await aPushingWorld({ paths: ["kv/nowhere/**"] });
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, secrets: SECRETS, "secret-versions": '{"db":"1"}' }));
    await world.advance("1m");
    await operatorPushes(world, "one");
    await world.advance("1m");
    world.fleet((all) =>
      all.map((one) => (one.push ? { ...one, push: { ...one.push, paths: ["kv/apps/{namespace}/**"] } } : one)),
    );
    await world.advance("10m");
    assert.deepEqual([versions(world, PATH), await codeOf(world)], [1, undefined]);
  });
});
