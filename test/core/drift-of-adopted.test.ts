import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anOldVso } from "./world/vso.ts";
import { aWorld, type World } from "./world/world.ts";

const MARKS = { labels: { tier: "gold" }, annotations: { team: "shop" } };

/** A Secret that Vault Secrets Operator wrote, and keyferry recorded without a write. */
async function adopted(): Promise<World> {
  const world = await aWorld({ isAsleep: true });
  const vso = await anOldVso(world);
  await vso.leaveStatic("db", { password: "one" }, MARKS);
  const before = world.secret("db")?.resourceVersion;
  world.start();
  await world.advance("2m");
  assert.equal(world.secret("db")?.resourceVersion, before);
  assert.equal((await world.row("db"))?.state.owned[0]?.ofVso, true);
  return world;
}

describe("a Secret that was adopted from Vault Secrets Operator", () => {
  for (const [what, metadata] of [
    ["an annotation", { annotations: { team: "eve" } }],
    ["a label", { labels: { tier: "lead" } }],
    ["its owner label", { labels: { "secrets.hashicorp.com/vso-ownerRefUID": null } }],
    ["its owner reference", { ownerReferences: null }],
  ] as const) {
    it(`kubernetes-rules 10: ${what} that somebody changed is put right, and then it goes with its declaration`, async () => {
      await using world = await adopted();
      await world.edit("Secret", "db", { metadata });
      await world.advance("30s");
      const found = world.secret("db");
      assert.deepEqual([found?.annotations.team, found?.labels.tier, found?.owners], ["shop", "gold", ["db"]]);
      await world.remove("VaultStaticSecret", "db");
      await world.advance("5m");
      assert.equal(world.secret("db"), undefined);
    });
  }

  it("kubernetes-rules 10: an annotation of another controller is no drift: it stays, and nobody is asked", async () => {
    await using world = await adopted();
    const costs = await world.counting(async () => {
      await world.edit("Secret", "db", { metadata: { annotations: { "example.com/seen": "yes" } } });
      await world.advance("20s");
    });
    assert.deepEqual([costs.requests, costs.claims], [0, 0]);
  });

  it("of which an earlier version recorded another fingerprint is looked at once, without a write", async () => {
    await using world = await adopted();
    const row = (await world.row("db")) ?? assert.fail();
    const { state } = row;
    const now = world.time.now();
    const { lease } = (await world.store.claim(row, { now, until: now + 1 })) ?? assert.fail();
    const owned = state.owned.map((entry) => ({ ...entry, managed: "of an earlier version" }));
    const schedule = { kind: "due", at: now } as const;
    await world.store.settle(lease, { state: { ...state, owned }, schedule, now });
    await world.advance("1m");
    const before = world.secret("db");
    const costOf = async (seen: string): Promise<readonly number[]> => {
      const { requests, claims } = await world.counting(async () => {
        await world.edit("Secret", "db", { metadata: { annotations: { "example.com/seen": seen } } });
        await world.advance("5s");
      });
      return [requests, claims];
    };
    assert.deepEqual(await costOf("once"), [1, 1]);
    assert.deepEqual(await costOf("twice"), [0, 0]);
    const after = world.secret("db");
    const annotations = { ...before?.annotations, "example.com/seen": "twice" };
    assert.deepEqual(after, { ...before, annotations, resourceVersion: after?.resourceVersion });
    assert.equal((await world.row("db"))?.state.owned[0]?.ofVso, true);
  });
});
