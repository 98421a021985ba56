import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Effect } from "../world/effects.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held } from "../world/pushing.ts";
import type { World } from "../world/world.ts";

const PATH = "apps/shop/app";
const NEXT = "apps/shop/next";
/** Vault carries it out after keyferry stopped waiting for it. */
const SLOW_MS = 75_000;
const SECRETS = '[{"name":"db","keys":["user","password"]}]';

/** A worker that stands still once it has read the path that it is about to remove. */
function stillAfterRead(records: number) {
  const { promise: goneOn, resolve: goOn } = Promise.withResolvers<void>();
  let left = Number.POSITIVE_INFINITY;
  let isFrozen = false;
  const effect: Effect = async (name, work) => {
    const result = await work();
    if (name === "store record") left -= 1;
    if (name === "vault kv-v2" && left <= 0 && !isFrozen) {
      isFrozen = true;
      await goneOn;
    }
    return result;
  };
  return {
    effect,
    goOn,
    isFrozen: () => isFrozen,
    arm: () => {
      left = records;
    },
  };
}

const moveTo = (world: World, path: string) =>
  world.edit("Deployment", "app", { metadata: { annotations: annotations({ path: `kv/${path}` }) } });

describe("lease-table 6, 31: a removal that stands still between its read and its request", () => {
  for (const deletion of ["version", "metadata"] as const) {
    it(`deletion: ${deletion}: a former path that is wanted again stays`, async () => {
      await using world = await aPushingWorld({ deletion }, { isAsleep: true });
      // The write to NEXT is recorded first.
      const still = stillAfterRead(1);
      const late = world.start({ effect: still.effect });
      await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, secrets: SECRETS }));
      await world.advance("1m");
      assert.equal((await held(world, PATH))?.password, "one");
      still.arm();
      await moveTo(world, NEXT);
      await world.advance("10s");
      assert.equal(still.isFrozen(), true, "it stands there");
      world.start();
      await moveTo(world, PATH);
      await world.advance("5m");
      assert.equal((await held(world, PATH))?.password, "one");
      assert.equal((await world.row("app", "Deployment"))?.state.error, undefined);
      still.goOn();
      await world.advance("10s");
      late.crash();
      await world.advance("5h");
      const row = await world.row("app", "Deployment");
      const paths = row?.state.pushed?.map(({ path }) => path);
      assert.deepEqual([row?.state.error, row?.dueAt, paths], [undefined, undefined, [PATH]], "it is in step");
      assert.equal((await held(world, PATH))?.password, "one", "what the row says stands there");
    });
  }

  it("deletion: metadata: what another worker has written again meanwhile stays", async () => {
    await using world = await aPushingWorld({ deletion: "metadata" }, { isAsleep: true });
    const still = stillAfterRead(1);
    const late = world.start({ effect: still.effect });
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, secrets: SECRETS }));
    await world.advance("1m");
    still.arm();
    await moveTo(world, NEXT);
    await world.advance("10s");
    assert.equal(still.isFrozen(), true, "it stands there");
    world.start();
    // The other worker ends the removal, and then the path is wanted again.
    await world.advance("3m");
    assert.equal(await held(world, PATH), undefined);
    await moveTo(world, PATH);
    await world.advance("3m");
    assert.equal((await held(world, PATH))?.password, "one");
    still.goOn();
    await world.advance("10s");
    late.crash();
    await world.advance("5h");
    assert.equal((await held(world, PATH))?.password, "one", "what the row says stands there");
  });
});

describe("lease-table 31: a removal that gets no answer, and that Vault carries out only later", () => {
  it("a former path that is wanted again before that is there afterwards", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, secrets: SECRETS }));
    await world.advance("1m");
    let cuts = 0;
    world.vault.meddle(({ method, path }) => {
      if (cuts > 0 || method !== "POST" || path !== `kv/delete/${PATH}`) return undefined;
      cuts += 1;
      return { workMs: SLOW_MS, isEarly: true };
    });
    await moveTo(world, NEXT);
    await world.advance("4s");
    assert.equal(cuts, 1, "a removal is under way");
    await moveTo(world, PATH);
    await world.advance("60s");
    assert.equal((await held(world, PATH))?.password, "one");
    await world.advance("5h");
    assert.equal((await held(world, PATH))?.password, "one", "what the row says stands there");
  });
});
