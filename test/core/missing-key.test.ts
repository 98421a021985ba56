import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MissingKey } from "../../lib/ports/templates.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret, askedOf, DYNAMIC, logsIn, PKI } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

/** As an edit of fleet.yaml, until all syncs of the cluster have run with it. */
async function switchTo(world: World, missingKey: MissingKey): Promise<void> {
  const options = { excludeRaw: false, missingKey };
  world.fleet((fleet) => fleet.map((one) => ({ ...one, globalTransformationOptions: options })));
  world.crash();
  world.start();
  await world.advance("150s");
}

const transformation = { templates: { who: { name: "who", text: "a {{ .Secrets.username }}" } } };

describe("a switch of missingKey for a cluster", () => {
  it("issues nothing, and reads no data without a lease", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putKv("old", "pin", { pin: "1" });
    await world.given(
      aDynamicSecret("db", { destination: { transformation } }),
      aDynamicSecret("pin", { mount: "old", path: "pin" }),
      aPkiSecret(),
    );
    await world.advance("1m");
    const before = ["db", "pin", "web"].map((name) => world.secret(name)?.data);
    const asked = await askedOf(world, async () => {
      for (const missingKey of ["error", "default", "error"] as const) await switchTo(world, missingKey);
    });
    // Each process asks for the latter when it starts.
    const others = Object.keys(asked).filter((name) => !name.includes("renew") && name !== "read sys/seal-status");
    assert.deepEqual(others, []);
    assert.deepEqual(
      ["db", "pin", "web"].map((name) => world.secret(name)?.data),
      before,
    );
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.match(world.condition("web", "Ready", PKI), /^True/);
  });

  it("holds from the next credential", async () => {
    await using world = await anIssuingWorld();
    const lacking = { templates: { who: { name: "who", text: "{{ .Secrets.username }}{{ .Secrets.domain }}" } } };
    await world.given(aDynamicSecret("db", { destination: { transformation: lacking } }));
    await world.advance("1m");
    const before = world.secret("db")?.data;
    await switchTo(world, "error");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    await world.advance("10s");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: TRANSFORM_FAILED/);
    assert.deepEqual(world.secret("db")?.data, before);
    assert.equal(await logsIn(world), true);
    await switchTo(world, "default");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.notEqual(world.secret("db")?.data.username, before?.username);
    assert.equal(await logsIn(world), true);
  });
});
