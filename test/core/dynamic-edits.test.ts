import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDeployment } from "./world/builders.ts";
import { aDynamicSecret, anIssuingWorld, askedOf, DYNAMIC, logsIn, restarts, statusOf } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

const EDITED = "5s";

/** Data without a lease, read five seconds ago. */
async function aPinnedWorld(spec: object): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putKv("old", "pin", { pin: "1" });
  await world.given(aDynamicSecret("pin", { mount: "old", path: "pin", ...spec }));
  await world.advance("5s");
  return world;
}

async function edit(world: World, name: string, spec: object): Promise<void> {
  await world.edit(DYNAMIC, name, { spec });
  await world.advance(EDITED);
}

async function readsIn(world: World, path: string, work: () => Promise<void>): Promise<number> {
  return (await askedOf(world, work))[`read ${path}`] ?? 0;
}

describe("an edit of refreshAfter", () => {
  const reads = (world: World, duration: string) => readsIn(world, "old/pin", () => world.advance(duration));
  const edits = (world: World, spec: object) => readsIn(world, "old/pin", () => edit(world, "pin", spec));

  it("that shortens it counts from the last read, and asks nothing itself", async () => {
    await using world = await aPinnedWorld({ refreshAfter: "1h" });
    await world.advance("4m");
    assert.equal(await edits(world, { refreshAfter: "10m" }), 0);
    assert.equal(await reads(world, "3m"), 0);
    assert.equal(await reads(world, "2m"), 1);
    assert.equal(await reads(world, "7m"), 0);
    assert.equal(await reads(world, "3m"), 1);
  });

  it("to a time that is over already reads at once", async () => {
    await using world = await aPinnedWorld({ refreshAfter: "1h" });
    await world.advance("10m");
    assert.equal(await edits(world, { refreshAfter: "5m" }), 1);
    assert.equal(await reads(world, "3m"), 0);
  });

  it("that makes it longer, or takes it away, calls off the next read", async () => {
    await using world = await aPinnedWorld({ refreshAfter: "60s" });
    assert.equal(await edits(world, { refreshAfter: "10m" }), 0);
    assert.equal(await reads(world, "7m"), 0);
    assert.equal(await edits(world, { refreshAfter: null }), 0);
    assert.equal(await reads(world, "3h"), 0);
    assert.equal(await edits(world, { refreshAfter: "4h" }), 0);
    assert.equal(await reads(world, "1h"), 1);
  });

  it("does nothing to a credential with a lease", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("1m");
    const before = world.secret("db")?.data;
    for (const refreshAfter of ["5s", "1h", null]) await edit(world, "db", { refreshAfter });
    await world.advance("5m");
    assert.deepEqual(world.secret("db")?.data, before);
    assert.equal(world.vault.liveLeases().length, 1);
  });
});

describe("an edit of allowStaticCreds", () => {
  const PATH = "database/static-creds/fixed";

  async function aFixedWorld(spec: object): Promise<World> {
    const world = await anIssuingWorld();
    await world.vault.putStaticRole("fixed", { rotationPeriod: "10m" });
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    await world.given(
      aDeployment("app"),
      aDynamicSecret("db", { path: "static-creds/fixed", rolloutRestartTargets, ...spec }),
    );
    await world.advance("30s");
    return world;
  }

  const edits = (world: World, allowStaticCreds: boolean) =>
    readsIn(world, PATH, () => edit(world, "db", { allowStaticCreds }));

  it("that allows them follows a role from then on, and writes and restarts nothing by itself", async () => {
    await using world = await aFixedWorld({});
    const writes = () => world.log.filter(({ event }) => event === "secret-written").length;
    assert.equal(await edits(world, true), 1);
    assert.deepEqual([writes(), restarts(world)], [1, 0]);
    assert.equal(Object(statusOf(world, "db").staticCredsMetaData).rotationPeriod, 600);
    await world.advance("10m");
    assert.deepEqual([writes(), restarts(world)], [2, 1]);
    assert.equal(await logsIn(world), true);
  });

  it("that comes after a rotation brings the present password", async () => {
    await using world = await aFixedWorld({});
    await world.advance("15m");
    assert.equal(await logsIn(world), false);
    assert.equal(await edits(world, true), 1);
    assert.equal(await logsIn(world), true);
    await world.advance("10s");
    assert.equal(restarts(world), 1);
  });

  it("that forbids them makes refreshAfter count, from the last read, and asks nothing itself", async () => {
    await using world = await aFixedWorld({ allowStaticCreds: true, refreshAfter: "30m" });
    assert.equal(await edits(world, false), 0);
    assert.equal(statusOf(world, "db").staticCredsMetaData, undefined);
    assert.equal(await readsIn(world, PATH, () => world.advance("22m")), 0);
    assert.equal(await readsIn(world, PATH, () => world.advance("5m")), 1);
    assert.equal(await edits(world, true), 1);
    await world.advance("11m");
    assert.equal(await logsIn(world), true);
  });

  it("does nothing to a credential with a lease", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("1m");
    const before = world.secret("db")?.data;
    for (const allowStaticCreds of [true, false]) await edit(world, "db", { allowStaticCreds });
    await world.advance("5m");
    assert.deepEqual(world.secret("db")?.data, before);
    assert.equal(world.vault.liveLeases().length, 1);
  });
});
