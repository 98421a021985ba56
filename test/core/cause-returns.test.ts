import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { HANDED_OVER } from "../../lib/origins/handed-over.ts";
import { aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { doomAt, type Side } from "./world/doom.ts";
import { aDynamicSecret, anIssuingWorld } from "./world/issuing.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held } from "./world/pushing.ts";
import { aWorld, type World } from "./world/world.ts";

/** What discovery and a run do, and what tells of it. */
const EFFECTS =
  /^(store (claim|claimPush|record|settle|declare|nudge|nudgeAll|tombstone|putReference|removeReference)$|queue|vault |(get|post|patch|put|delete|create|apply) )/;

interface Story {
  world(): Promise<World>;
  /** What a person does. */
  change(world: World): Promise<void>;
  /** And what the person does after the process died in the middle of it. Missing: nothing. */
  back?(world: World): Promise<void>;
  judge(world: World, where: string): Promise<void>;
}

/** Plays a story for each point at which the process dies. */
async function everyPoint(t: TestContext, { world: begin, change, back, judge }: Story): Promise<void> {
  const play = async (n: number, side: Side): Promise<boolean> => {
    await using world = await begin();
    world.crash();
    // Until nobody holds a claim.
    await world.advance("150s");
    const doom = doomAt(n, side, EFFECTS);
    let isOn = false;
    doom.of(world.start({ effect: async (name, work) => (isOn ? doom.effect(name, work) : work()) }));
    await world.advance("30s");
    isOn = true;
    await change(world);
    await world.advance("15s");
    world.crash();
    await back?.(world);
    await world.advance("150s");
    world.start();
    await world.advance("3m");
    await judge(world, `${side} effect ${n}`);
    return doom.isMet();
  };
  let points = 0;
  for (const side of ["before", "after"] as const) for (let n = 1; n < 60 && (await play(n, side)); n++) points++;
  t.diagnostic(`${points} points`);
  assert.ok(points > 3);
}

async function aSyncOfTheHour(): Promise<World> {
  const world = await aWorld();
  await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "1h" }));
  await world.advance("30s");
  return world;
}

const AUTH_PLACE = { namespace: "vso" };
const breakAuth = (world: World) => world.edit("VaultAuth", "default", { spec: { mount: "nowhere" } }, AUTH_PLACE);
const mendAuth = (world: World) =>
  world.edit("VaultAuth", "default", { spec: { mount: "kubernetes-east" } }, AUTH_PLACE);

describe("a change whose work was cut off", () => {
  it("lease-table 23: of a reference reaches its syncs", async (t) => {
    await everyPoint(t, {
      world: aSyncOfTheHour,
      change: breakAuth,
      judge: async (world, where) => assert.match(world.condition("db"), /^False/, where),
    });
  });

  it("lease-table 23: of a reference that goes reaches its syncs", async (t) => {
    await everyPoint(t, {
      world: aSyncOfTheHour,
      change: (world) => world.remove("VaultAuth", "default", AUTH_PLACE),
      judge: async (world, where) => assert.match(world.condition("db"), /^False/, where),
    });
  });

  it("kubernetes-rules 15: and that is undone leaves the status of before", async (t) => {
    await everyPoint(t, {
      world: aSyncOfTheHour,
      change: breakAuth,
      back: mendAuth,
      judge: async (world, where) => assert.match(world.condition("db"), /^True/, where),
    });
  });

  for (const declaration of [aStaticSecret(), aDynamicSecret()]) {
    const { kind } = declaration;
    const mark = (value: string | null) => (world: World) =>
      world.edit(kind, "db", { metadata: { annotations: { [HANDED_OVER]: value } } });
    it(`lease-table 28: and that is undone has a ${kind} followed that was handed over meanwhile`, async (t) => {
      await everyPoint(t, {
        async world() {
          const world = await anIssuingWorld();
          await world.given(aVaultSecret(), declaration);
          await world.advance("30s");
          return world;
        },
        change: mark("vso"),
        back: mark(null),
        async judge(world, where) {
          assert.equal((await world.row("db", kind))?.state.error, undefined, where);
          assert.ok(await world.row("db", kind), where);
        },
      });
    });
  }

  it("lease-table 31: and that is undone has a path written again that was removed meanwhile", async (t) => {
    const moveTo = (path: string) => (world: World) =>
      world.edit("Deployment", "app", { metadata: { annotations: annotations({ path }) } });
    await everyPoint(t, {
      async world() {
        const world = await aPushingWorld();
        await world.given(aSecret(), aPushed({ path: "kv/apps/shop/app" }));
        await world.advance("60s");
        return world;
      },
      change: moveTo("kv/apps/shop/moved"),
      back: moveTo("kv/apps/shop/app"),
      async judge(world, where) {
        const found = await Promise.all([held(world, "apps/shop/app/db"), held(world, "apps/shop/moved/db")]);
        assert.deepEqual(
          found.map((data) => data?.password),
          ["one", undefined],
          where,
        );
        const { pushed = [] } = (await world.row("app", "Deployment"))?.state ?? {};
        assert.ok(!pushed.some(({ removing }) => removing), where);
      },
    });
  });
});
