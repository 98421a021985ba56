import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClusterSettings } from "../../lib/ports/fleet.ts";
import { aStaticSecret, aVaultSecret, NAMESPACE } from "./world/builders.ts";
import { doomAt, type Side, stillAt } from "./world/doom.ts";
import { aWorld, type World } from "./world/world.ts";

type Fleet = readonly ClusterSettings[];

/** What a release does, whatever of it. */
const RELEASES = /^store (claimCluster|saveCluster|retire|removeReference|removeCluster)|^queue/;

const LEAVES: Readonly<Record<string, (fleet: Fleet) => Fleet>> = {
  "a cluster": (fleet) => fleet.filter(({ name }) => name !== "east"),
  "a namespace": (fleet) =>
    fleet.map((settings) => ({ ...settings, namespaces: { include: ["*"], exclude: [NAMESPACE] } })),
};

/** A sync in step, no process, and a fleet that something has left; answers the former fleet. */
async function withoutProcess(world: World, leave: (fleet: Fleet) => Fleet): Promise<Fleet> {
  await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "10s" }));
  await world.advance("30s");
  world.crash();
  // Until nobody holds the claim on the cluster's row.
  await world.advance("150s");
  let whole: Fleet = [];
  world.fleet((fleet) => {
    whole = fleet;
    return leave(fleet);
  });
  return whole;
}

/** The sync follows Vault, and what it refers to. */
async function mustBeWhole(world: World, where: string): Promise<void> {
  assert.equal(world.secret("db")?.data.password, "two", where);
  assert.match(world.condition("db"), /^True/, where);
  // References are followed again too.
  await world.edit("VaultAuth", "default", { spec: { mount: "nowhere" } }, { namespace: "vso" });
  await world.given(aVaultSecret("db", { password: "three" }));
  await world.advance("30s");
  assert.match(world.condition("db"), /^False/, where);
}

/** Dies at this point of the release, and starts with the former fleet; false: it has no such point any more. */
async function play(leave: (fleet: Fleet) => Fleet, n: number, side: Side): Promise<boolean> {
  await using world = await aWorld({ clusters: [{}, { name: "west" }] });
  const whole = await withoutProcess(world, leave);
  const doom = doomAt(n, side, RELEASES);
  doom.of(world.start({ effect: doom.effect }));
  await world.advance("3s");
  world.crash();
  world.fleet(() => whole);
  world.start();
  await world.given(aVaultSecret("db", { password: "two" }));
  await world.advance("150s");
  await mustBeWhole(world, `${side} effect ${n}`);
  return doom.isMet();
}

/** Not just before it removes something: that it may was asked before, and the store can't tell. */
const STANDS_BEFORE = /^store (claimCluster|saveCluster)|^queue/;

/** After so many effects it works as ever. */
const RELEASED = 15;

/** Stands still at this point of the release for longer than its claim, while another one works with the former fleet. */
async function standStill(leave: (fleet: Fleet) => Fleet, n: number, side: Side): Promise<boolean> {
  await using world = await aWorld({ clusters: [{}, { name: "west" }] });
  const whole = await withoutProcess(world, leave);
  const still = stillAt(n, side, side === "before" ? STANDS_BEFORE : RELEASES);
  const late = world.start({ effect: still.effect });
  await world.advance("3s");
  world.fleet(() => whole);
  world.start();
  await world.advance("5m");
  still.goOn();
  await world.advance("10s");
  late.crash();
  await world.given(aVaultSecret("db", { password: "two" }));
  // It may have claimed the cluster again.
  await world.advance("150s");
  await mustBeWhole(world, `${side} effect ${n}`);
  return still.isMet();
}

describe("what left the fleet comes back before all of it is released", () => {
  for (const [what, leave] of Object.entries(LEAVES)) {
    it(`lease-table 18: ${what}: is listed anew, wherever the release was cut off`, async (t) => {
      let points = 0;
      for (const side of ["before", "after"] as const) {
        for (let n = 1; await play(leave, n, side); n++) points++;
      }
      t.diagnostic(`${points} points`);
      assert.ok(points > 5);
    });

    it(`lease-table 18, 21: ${what}: stays as it is, wherever the release stood still meanwhile`, async (t) => {
      let points = 0;
      for (const side of ["before", "after"] as const) {
        for (let n = 1; n <= RELEASED && (await standStill(leave, n, side)); n++) points++;
      }
      t.diagnostic(`${points} points`);
      assert.ok(points > 5);
    });
  }
});
