import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDynamicSecret, anIssuingWorld, askedOf, DYNAMIC, logsIn, writtenIn } from "./world/issuing.ts";
import type { StaticRoleOptions } from "./world/vault.ts";
import type { World } from "./world/world.ts";

const HOUR_MS = 3_600_000;
const HOURLY = { schedule: "0 * * * *" };

async function aStaticWorld(role: StaticRoleOptions): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putStaticRole("fixed", role);
  await world.given(aDynamicSecret("db", { path: "static-creds/fixed", allowStaticCreds: true }));
  await world.advance("10s");
  return world;
}

/** To so many seconds behind the next full hour, when a role of that schedule is due. */
async function pastTheHour(world: World, seconds: number): Promise<void> {
  const now = world.vault.time.now();
  await world.advance(`${Math.round((HOUR_MS - (now % HOUR_MS)) / 1_000) + seconds}s`);
}

async function readsIn(world: World, duration: string): Promise<number> {
  const asked = await askedOf(world, () => world.advance(duration));
  return asked["read database/static-creds/fixed"] ?? 0;
}

const warning = (world: World): string => world.condition("db", "CredentialRenewed", DYNAMIC);
const told = (world: World): readonly string[] => world.events("db").map(({ reason }) => reason);

describe("a static role with a schedule", () => {
  for (const late of [0, 4, 9, 15, 60, 300]) {
    it(`reaches its Secret though it rotates ${late} s late, and its ttl is of the time after that`, async () => {
      await using world = await aStaticWorld({ ...HOURLY, late: `${late}s` });
      assert.equal(await logsIn(world), true);
      for (let hour = 0; hour < 3; hour++) {
        await pastTheHour(world, late + 5 + Math.max(3, Math.min(60, late)));
        assert.equal(await logsIn(world), true, `hour ${hour}`);
        assert.equal(warning(world), "none");
      }
    });
  }

  it("that rotates in time is read a few times for it, and nothing warns", async () => {
    await using world = await aStaticWorld(HOURLY);
    await pastTheHour(world, -60);
    assert.ok((await readsIn(world, "30m")) <= 7);
    assert.equal(told(world).includes("RotationOverdue"), false);
  });

  it("is followed as closely when Vault did not answer while it was due", async () => {
    await using world = await aStaticWorld({ ...HOURLY, late: "130s" });
    await pastTheHour(world, -5);
    world.vault.fail("refused");
    await world.advance("2m");
    world.vault.fail(undefined);
    await world.advance("40s");
    assert.equal(await logsIn(world), true);
  });

  it("that does not rotate is told of until it does, once", async () => {
    await using world = await aStaticWorld({ ...HOURLY, fails: true });
    await pastTheHour(world, 30);
    assert.equal(warning(world), "none");
    await world.advance("2m");
    assert.match(
      warning(world),
      /^False: Vault has not rotated the password since .*, and another rotation has been due since /,
    );
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    const first = warning(world);
    await world.advance("2h");
    assert.equal(warning(world), first);
    assert.equal(told(world).filter((reason) => reason === "RotationOverdue").length, 1);
    assert.equal(await logsIn(world), true);
    await world.vault.putStaticRole("fixed", HOURLY);
    await world.advance("66s");
    assert.equal(await logsIn(world), true);
    assert.equal(warning(world), "none");
  });

  it("that does not rotate is read a few times in ten minutes", async () => {
    await using world = await aStaticWorld({ ...HOURLY, fails: true });
    await pastTheHour(world, 0);
    const first = await readsIn(world, "10m");
    assert.ok(first > 15 && first <= 28, String(first));
    const later = await readsIn(world, "10m");
    assert.ok(later >= 9 && later <= 11, String(later));
  });
});

describe("a static role by a period", () => {
  it("that can't rotate is read a few times in ten minutes, and told of until it can", async () => {
    await using world = await aStaticWorld({ rotationPeriod: "10m", fails: true });
    await world.advance("9m");
    const first = await readsIn(world, "11m");
    assert.ok(first > 15 && first <= 28, String(first));
    let reads = 0;
    const written = await writtenIn(world, async () => {
      reads = await readsIn(world, "10m");
    });
    assert.ok(reads >= 9 && reads <= 11, String(reads));
    assert.ok((written.settle ?? 0) <= 11 && (written.claim ?? 0) <= 11, JSON.stringify(written));
    assert.match(warning(world), /^False: Vault has not rotated/);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    await world.vault.putStaticRole("fixed", { rotationPeriod: "10m" });
    await world.advance("66s");
    assert.equal(await logsIn(world), true);
    assert.equal(warning(world), "none");
    assert.equal(told(world).filter((reason) => reason === "RotationOverdue").length, 1);
  });

  it("is read when it is due again after its period became longer, and nothing warns", async () => {
    await using world = await aStaticWorld({ rotationPeriod: "10m" });
    await world.vault.putStaticRole("fixed", { rotationPeriod: "60m" });
    assert.ok((await readsIn(world, "30m")) <= 2);
    assert.equal(warning(world), "none");
    await world.advance("31m");
    assert.equal(await logsIn(world), true);
  });
});
