import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import { aStaticSecret } from "./world/builders.ts";
import { handover, macKey, macOf, STATIC, statusOf, synced } from "./world/handing-over.ts";
import { base64 } from "./world/views.ts";
import type { World } from "./world/world.ts";

describe("a MAC that is written beside a running engine", () => {
  const STATUS = "patch vaultstaticsecrets/status";

  /** Before each of the first writes of the status something else happens. */
  async function disturbed(times: number, disturb: (world: World, time: number) => Promise<unknown>) {
    const world = await synced(aStaticSecret());
    world.crash();
    let done = 0;
    const command = handover(world, {
      effect: async (name, work) => {
        if (name === STATUS && done < times) await disturb(world, ++done);
        return work();
      },
    });
    return { world, ...command, times: () => done };
  }
  const touch = (world: World, time: number) =>
    world.edit(STATIC, "db", { metadata: { annotations: { touched: String(time) } } });

  it("is written again when somebody else wrote the resource meanwhile", async () => {
    const { world, give, times } = await disturbed(4, touch);
    await using _world = world;
    await give();
    assert.equal(times(), 4);
    assert.equal(statusOf(world, "db").secretMAC, macOf(world, "db"));
  });

  it("is given up after five times", async () => {
    const { world, give, times } = await disturbed(9, touch);
    await using _world = world;
    await assert.rejects(give(), { code: "KUBE_CONFLICT" });
    assert.equal(times(), 5);
  });

  it("is not tried again after any other failure", async () => {
    const { world, give, times } = await disturbed(9, async () => {
      throw new SyncError("KUBE_DENIED", "no");
    });
    await using _world = world;
    await assert.rejects(give(), { code: "KUBE_DENIED" });
    assert.equal(times(), 1);
  });

  it("is of the data that the Secret has by then", async () => {
    const { world, give } = await disturbed(1, async (world) => {
      await world.edit("Secret", "db", { data: { password: base64("two") } });
      await touch(world, 1);
    });
    await using _world = world;
    await give();
    assert.equal(world.secret("db")?.data.password, "two");
    assert.equal(statusOf(world, "db").secretMAC, macOf(world, "db"));
  });

  it("is by the key that another program made first", async () => {
    await using world = await synced(aStaticSecret());
    world.crash();
    const { survey, giveThat } = handover(world);
    const found = await survey();
    assert.equal(found.hmacKey.kind, "absent");
    const theirs = Buffer.alloc(16, 9);
    await macKey(world, theirs.toString("base64"));
    await giveThat(found);
    assert.equal(statusOf(world, "db").secretMAC, macOf(world, "db", theirs));
  });

  for (const [what, happens] of [
    ["whose Secret is gone", (world: World) => world.remove("Secret", "db")],
    [
      "that was made anew under its name",
      async (world: World) => {
        await world.remove(STATIC, "db");
        await world.given(aStaticSecret());
      },
    ],
    ["that is gone", (world: World) => world.remove(STATIC, "db")],
  ] as const) {
    it(`is not written for a declaration ${what}`, async () => {
      await using world = await synced(aStaticSecret());
      world.crash();
      const { survey, giveThat, told } = handover(world);
      const [sync, ...others] = (await survey()).syncs;
      assert.ok(sync !== undefined && others.length === 0);
      await happens(world);
      await giveThat({ ...(await survey()), syncs: [{ ...sync, change: undefined }] });
      assert.equal(statusOf(world, "db").secretMAC ?? "", "");
      assert.deepEqual(told, ["key of east", "db"]);
    });
  }
});
