import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { doomAt, type Side } from "./world/doom.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held } from "./world/pushing.ts";
import type { World } from "./world/world.ts";

/** What a run does for a sync, and what tells of it. */
const OF_RUNS =
  /^(store (claim|claimPush|record|settle|declare|nudge|nudgeAll|tombstone)$|vault |(get|post|patch|put|delete|create|apply) )/;

interface Story {
  world(): Promise<World>;
  /** What a person does. */
  change(world: World): Promise<void>;
  /** And what the person does after the process died in the middle of it. */
  back(world: World): Promise<void>;
  judge(world: World, where: string): Promise<void>;
}

/** Plays a story for each point at which the process dies; returns their number. */
async function everyPoint({ world: begin, change, back, judge }: Story): Promise<number> {
  const play = async (n: number, side: Side): Promise<boolean> => {
    await using world = await begin();
    world.crash();
    const doom = doomAt(n, side, OF_RUNS);
    let isOn = false;
    doom.of(world.start({ effect: async (name, work) => (isOn ? doom.effect(name, work) : work()) }));
    await world.advance("3m");
    isOn = true;
    await change(world);
    await world.advance("20s");
    world.crash();
    await back(world);
    // Until nobody holds a claim: what is declared is seen before the row is worked on.
    await world.advance("150s");
    world.start();
    await world.advance("4m");
    await judge(world, `${side} effect ${n}`);
    return doom.isMet();
  };
  let points = 0;
  for (const side of ["before", "after"] as const) for (let n = 1; n < 60 && (await play(n, side)); n++) points++;
  return points;
}

/** A push whose path moves, and moves back. */
const A_MOVED_PUSH: Story = {
  async world() {
    const world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: "kv/apps/shop/app" }));
    return world;
  },
  change: (world) =>
    world.edit("Deployment", "app", { metadata: { annotations: annotations({ path: "kv/apps/shop/moved" }) } }),
  back: (world) =>
    world.edit("Deployment", "app", { metadata: { annotations: annotations({ path: "kv/apps/shop/app" }) } }),
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
};

describe("what changed is as before, and the run for the change was cut off", () => {
  it("lease-table 31: a path that was removed meanwhile is written again", async (t) => {
    const points = await everyPoint(A_MOVED_PUSH);
    t.diagnostic(`${points} points`);
    assert.ok(points > 20);
  });
});
