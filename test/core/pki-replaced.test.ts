import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anIssuingWorld, aPkiSecret, PKI, POLICY, statusOf } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

const serial = (world: World) => statusOf(world, "web", PKI).serialNumber;
const revoked = (world: World) => world.vault.certificates().filter(({ revokedAt }) => revokedAt !== undefined).length;
const held = async (world: World) => (await world.row("web", PKI))?.state.issues?.length;

/** Asks for one certificate after the other, slowly enough to be no loop. */
async function refreshed(world: World, from: number, to: number): Promise<void> {
  for (let count = from; count <= to; count += 1) {
    await world.edit(PKI, "web", { metadata: { annotations: { "keyferry.dev/refresh": String(count) } } });
    await world.advance("2m");
  }
}

async function aPkiWorld(): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putPkiRole("web", { ttl: "48h" });
  await world.given(aPkiSecret("web", { revoke: true }));
  await world.advance("5s");
  return world;
}

describe("certificates that wait for their end", () => {
  it("are 32 at most: the oldest is revoked before another one is asked for", async () => {
    await using world = await aPkiWorld();
    await refreshed(world, 1, 32);
    assert.deepEqual([await held(world), revoked(world)], [33, 0]);
    await refreshed(world, 33, 35);
    assert.deepEqual([await held(world), revoked(world)], [33, 3]);
    const [first, second, third, fourth] = world.vault.certificates();
    for (const one of [first, second, third]) assert.notEqual(one?.revokedAt, undefined);
    assert.equal(fourth?.revokedAt, undefined);
    assert.match(world.condition("web", "Ready", PKI), /^True/);
  });

  it("that can't be revoked hold another one back, which is told, until one of them is", async () => {
    await using world = await aPkiWorld();
    await refreshed(world, 1, 32);
    await world.vault.writePolicy("app", POLICY.replace('path "pki/revoke" { capabilities = ["update"] }', ""));
    const last = serial(world);
    await refreshed(world, 33, 34);
    assert.deepEqual([serial(world), await held(world), revoked(world)], [last, 33, 0]);
    assert.match(world.condition("web", "Ready", PKI), /^False: ISSUES_UNENDED: 32 replaced certificates.*pki\/revoke/);
    await world.vault.writePolicy("app", POLICY);
    await world.advance("15m");
    assert.notEqual(serial(world), last);
    assert.match(world.condition("web", "Ready", PKI), /^True/);
    assert.ok(revoked(world) > 0);
  });
});
