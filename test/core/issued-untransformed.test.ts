import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aDynamicSecret,
  anIssuingWorld,
  aPkiSecret,
  askedOf,
  DYNAMIC,
  logsIn,
  PKI,
  statusOf,
} from "./world/issuing.ts";
import { crowd } from "./world/templates.ts";
import type { World } from "./world/world.ts";

/** Templates of a world in memory fail on the first one. */
const destination = (text: string) => ({ transformation: { templates: { who: { name: "who", text } } } });
const FAILING = destination("{{ range .Secrets.username }}{{ end }}");
const MENDED = destination("{{ .Secrets.username }}");

/** How often this was asked of Vault meanwhile. */
async function timesAsked(world: World, name: string, by: string): Promise<number> {
  return (await askedOf(world, () => world.advance(by)))[name] ?? 0;
}

describe("an answer that can't be transformed", () => {
  it("is asked for six times, and then once an hour, until the declaration changes", async () => {
    await using world = await anIssuingWorld();
    const asked = (by: string) => timesAsked(world, "read database/creds/app", by);
    await world.given(aDynamicSecret("db", { destination: FAILING }));
    assert.equal(await asked("25m"), 6);
    assert.match(
      world.condition("db", "Ready", DYNAMIC),
      /^False: TRANSFORM_FAILED: Vault has issued 6 times in vain, so keyferry asks at most once an hour .*: template who /,
    );
    assert.equal(await asked("65m"), 1);
    await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    assert.equal(await asked("5s"), 1);
    assert.equal(world.vault.liveLeases().length, 0, "each is ended at once");
    await world.edit(DYNAMIC, "db", { spec: { destination: MENDED } });
    await world.advance("5s");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.equal(await logsIn(world), true);
  });

  it("for slow templates of too many at once is asked for again, ever less often, and never parked", async () => {
    await using world = await anIssuingWorld();
    const asked = (by: string) => timesAsked(world, "read database/creds/app", by);
    crowd.left = Number.POSITIVE_INFINITY;
    try {
      await world.given(aDynamicSecret("db", { destination: destination("{{ slow }}{{ .Secrets.username }}") }));
      const first = await asked("10m");
      assert.ok(first > 6 && first <= 15, `${first} times`);
      assert.ok((await asked("10m")) <= 10);
      assert.match(world.condition("db", "Ready", DYNAMIC), /^False: DEADLINE_EXCEEDED: .*too many slow ones/);
      assert.equal(world.vault.liveLeases().length, 0, "each is ended at once");
    } finally {
      crowd.left = 0;
    }
    await world.advance("5m");
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    assert.equal(await logsIn(world), true);
  });

  it("is counted, too, where the time of a certificate is over, which stays as it is", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putPkiRole("short", { ttl: "10m" });
    await world.given(
      aPkiSecret("web", { role: "short", destination: { type: "Opaque", ...destination("{{ .Secrets.domain }}") } }),
    );
    await world.advance("5s");
    const { serialNumber } = statusOf(world, "web", PKI);
    world.fleet((fleet) =>
      fleet.map((one) => ({ ...one, globalTransformationOptions: { excludeRaw: false, missingKey: "error" } })),
    );
    world.crash();
    world.start();
    assert.equal(await timesAsked(world, "update pki/issue/short", "35m"), 6);
    assert.match(world.condition("web", "Ready", PKI), /^False: TRANSFORM_FAILED: .*at most once an hour/);
    assert.equal(statusOf(world, "web", PKI).serialNumber, serialNumber);
  });

  it("is counted as well where its certificate is too short for the declaration, or for its CA", async () => {
    await using world = await anIssuingWorld();
    const asked = (by: string) => timesAsked(world, "update pki/issue/web", by);
    await world.given(aPkiSecret("web", { expiryOffset: "2h" }));
    assert.equal(await asked("25m"), 6);
    assert.match(
      world.condition("web", "Ready", PKI),
      /^False: VAULT_CERTIFICATE_UNUSABLE: Vault has issued 6 times in vain, so keyferry asks at most once an hour .*: Vault's answer /,
    );
    assert.equal(await asked("65m"), 1);
    await world.edit(PKI, "web", { spec: { expiryOffset: "10m" } });
    assert.equal(await asked("5s"), 1);
    assert.match(world.condition("web", "Ready", PKI), /^True/);
  });
});
