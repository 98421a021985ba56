import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import { nextSlot } from "../../lib/schedule/wheel.ts";
import { aStaticSecret, aVaultSecret } from "./world/builders.ts";
import type { Effect } from "./world/effects.ts";
import type { Keyferry } from "./world/process.ts";
import { aWorld, type World } from "./world/world.ts";

/** Half a minute before the refresh slot of `db`, whose next one is hours later. */
async function beforeItsSlot(world: World): Promise<void> {
  const slot = (await world.row())?.wheel;
  assert.ok(slot);
  const inMs = nextSlot(slot, world.time.now()) - world.time.now();
  assert.ok(inMs > 60_000);
  await world.advance(`${inMs - 30_000}ms`);
}

const SELDOM = { refreshAfter: "10h" };
const OFTEN = [aVaultSecret("often"), aStaticSecret("often", { refreshAfter: "10s" })];

describe("a refresh slot that meets an outage as the first one, or waits for an answer when it is found", () => {
  for (const outage of ["refused", "silent"] as const)
    it(`lease-table 16: runs again when it is over, and not only hours later; ${outage}`, async () => {
      await using world = await aWorld();
      await world.given(aVaultSecret(), aStaticSecret("db", SELDOM));
      await world.advance("30s");
      await beforeItsSlot(world);
      world.vault.fail(outage);
      await world.advance("90s");
      assert.equal((await world.store.circuits()).length, 1);
      await world.given(aVaultSecret("db", { password: "two" }));
      world.vault.fail(undefined);
      await world.advance("30m");
      assert.deepEqual(await world.store.circuits(), []);
      assert.equal(world.secret("db")?.data.password, "two");
    });
});

describe("the end of an outage", () => {
  const SLOW_MS = 8_000;
  const ends: Readonly<Record<string, (world: World, die: () => void) => Effect>> = {
    "it takes long to send, and the process dies once it is closed": (world, die) => {
      let closes = 0;
      return async (name, work) => {
        const isOver = closes === 0 && name === "queue send" && (await world.store.circuits()).length > 0;
        const result = await work();
        if (isOver) await world.time.sleep(SLOW_MS);
        if (name === "store closeCircuit" && closes++ === 0) die();
        return result;
      };
    },
    "it takes long to close, and the answer is lost": (world) => {
      let closes = 0;
      return async (name, work) => {
        if (name !== "store closeCircuit" || closes++ > 0) return work();
        await world.time.sleep(SLOW_MS);
        await work();
        throw new SyncError("STORE_UNAVAILABLE", "no answer");
      };
    },
  };
  for (const [what, effectOf] of Object.entries(ends))
    it(`lease-table 16: wakes what missed its slot; ${what}`, async () => {
      await using world = await aWorld();
      await world.given(aVaultSecret(), aStaticSecret("db", SELDOM), ...OFTEN);
      await world.advance("30s");
      world.crash();
      await world.advance("150s");
      const late: { process?: Keyferry } = {};
      late.process = world.start({ effect: effectOf(world, () => late.process?.crash()) });
      await beforeItsSlot(world);
      world.vault.fail("refused");
      await world.advance("90s");
      assert.equal((await world.store.circuits()).length, 1, "its slot met the outage");
      await world.given(aVaultSecret("db", { password: "two" }));
      world.vault.fail(undefined);
      await world.advance("1m");
      world.start();
      await world.advance("30m");
      assert.deepEqual(await world.store.circuits(), []);
      assert.equal(world.secret("db")?.data.password, "two");
    });
});
