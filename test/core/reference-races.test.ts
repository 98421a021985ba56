import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret, aVaultAuth, aVaultSecret } from "./world/builders.ts";
import type { Effect } from "./world/effects.ts";
import { aDynamicSecret, anIssuingWorld } from "./world/issuing.ts";
import { aWorld, type World } from "./world/world.ts";

/** A worker that has read the row and its references stands still before its next claim. */
function stillBeforeClaim() {
  const { promise: goneOn, resolve: goOn } = Promise.withResolvers<void>();
  let armed = false;
  let times = 0;
  const effect: Effect = async (name, work) => {
    if (armed && name === "store claim") {
      times += 1;
      await goneOn;
    }
    return work();
  };
  const arm = (): void => {
    armed = true;
  };
  return { effect, goOn, times: () => times, arm };
}

type Still = ReturnType<typeof stillBeforeClaim>;

/** The declaration changes, and its VaultAuth while a run stands still before the claim. */
async function changesBoth(world: World, still: Still, kind: string): Promise<void> {
  await world.advance("1m");
  assert.match(world.condition("db", "Ready", kind), /^True/);
  still.arm();
  await world.edit(kind, "db", { metadata: { labels: { some: "change" } } });
  await world.advance("1s");
  assert.ok(still.times() > 0, "it stands there");
  await world.given(aVaultAuth("team", { kubernetes: { role: "none", serviceAccount: "app" } }));
  await world.advance("2s");
  still.goOn();
  await world.advance("5h");
  assert.match(world.condition("db", "Ready", kind), /VAULT_LOGIN_REFUSED/);
}

describe("lease-table 9, 23: a reference that changes between a run's read of it and its claim", () => {
  it("of a static secret without refreshes: runs with the new one", async () => {
    await using world = await aWorld({ isAsleep: true });
    const still = stillBeforeClaim();
    world.start({ effect: still.effect });
    await world.given(
      aVaultSecret(),
      aVaultAuth("team"),
      aStaticSecret("db", { vaultAuthRef: "team", refreshAfter: "24h" }),
    );
    await changesBoth(world, still, "VaultStaticSecret");
  });

  it("of a dynamic secret: its credential is asked for with the new login", async () => {
    await using world = await anIssuingWorld({ isAsleep: true });
    const still = stillBeforeClaim();
    world.start({ effect: still.effect });
    await world.given(aVaultAuth("team"), aDynamicSecret("db", { vaultAuthRef: "team" }));
    await changesBoth(world, still, "VaultDynamicSecret");
  });
});
