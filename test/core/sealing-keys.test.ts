import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDynamicSecret, anIssuingWorld, DYNAMIC, logsIn } from "./world/issuing.ts";
import { SEALING_KEY } from "./world/process.ts";
import type { World } from "./world/world.ts";

const NEW = Buffer.alloc(32, 10);

/** The sweep of tokens that ticks ask for every ten minutes. */
async function swept(world: World, sealingKeys: readonly Buffer[]): Promise<object | undefined> {
  world.crash();
  const process = world.start({ sealingKeys });
  await process.handle({ kind: "token-sweep", at: world.time.now() });
  const { fields } = world.log.findLast(({ event }) => event === "tokens-resealed") ?? {};
  return fields;
}

describe("another key for tokens", () => {
  it("seals the tokens of credentials anew, and then the former key is not needed any more", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret(), aDynamicSecret("other"));
    await world.advance("5s");
    const before = world.secret("db")?.data;
    const [wheel, renew] = [(await world.row("db", DYNAMIC))?.dueAt, (await world.row("db", DYNAMIC))?.renew];
    assert.deepEqual(await swept(world, [NEW, SEALING_KEY]), { resealed: 2, left: 0, unreadable: 0 });
    assert.deepEqual(await swept(world, [NEW, SEALING_KEY]), { resealed: 0, left: 0, unreadable: 0 });
    const row = await world.row("db", DYNAMIC);
    assert.deepEqual([row?.dueAt, row?.renew, row?.leaseUntil], [wheel, renew, undefined]);
    world.crash();
    world.start({ sealingKeys: [NEW] });
    await world.advance("10m");
    assert.deepEqual(world.secret("db")?.data, before);
    assert.equal(await logsIn(world), true);
    assert.ok(!world.log.some(({ event }) => event === "issue-unreadable"));
  });

  it("leaves a row that a worker has, and tells of it", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("5s");
    world.crash();
    const row = await world.row("db", DYNAMIC);
    assert.ok(row);
    const now = world.time.now();
    const claimed = await world.store.claim(row, { now, until: now + 90_000 });
    assert.ok(claimed);
    assert.deepEqual(await swept(world, [NEW, SEALING_KEY]), { resealed: 0, left: 1, unreadable: 0 });
    await world.advance("2m");
    assert.deepEqual(await swept(world, [NEW, SEALING_KEY]), { resealed: 1, left: 0, unreadable: 0 });
  });

  it("lease-table 28: tells of a token that no key opens, and drops nothing", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("5s");
    assert.deepEqual(await swept(world, [NEW, Buffer.alloc(32, 11)]), { resealed: 0, left: 0, unreadable: 1 });
    assert.equal((await world.row("db", DYNAMIC))?.state.issues?.length, 1);
    assert.equal(await logsIn(world), true);
  });

  it("costs nothing while there is no former key", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("5s");
    const { targets = 0 } = world.store.counts();
    assert.equal(await swept(world, [SEALING_KEY]), undefined);
    assert.equal(world.store.counts().targets ?? 0, targets);
  });
});
