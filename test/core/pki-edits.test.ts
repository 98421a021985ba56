import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StaticSecretSpec } from "./world/builders.ts";
import { anIssuingWorld, aPkiSecret, askedOf, PKI, statusOf } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

const REVOKE_REPLACED = "keyferry.dev/revoke-replaced";
const serial = (world: World) => statusOf(world, "web", PKI).serialNumber;
const revoked = (world: World) => world.vault.certificates().filter(({ revokedAt }) => revokedAt !== undefined).length;
const issues = (asked: Readonly<Record<string, number>>) => asked["update pki/issue/short"] ?? 0;

/** A certificate of ten minutes, five seconds old. */
async function aPkiWorld(spec: StaticSecretSpec = {}): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putPkiRole("short", { ttl: "10m" });
  await world.vault.putPkiRole("leased", { ttl: "10m", generate_lease: true });
  await world.given(aPkiSecret("web", { role: "short", ...spec }));
  await world.advance("5s");
  return world;
}

const edited = (world: World, spec: StaticSecretSpec) =>
  world.edit(PKI, "web", { spec: { role: "short", ...spec } } as never);

describe("an edit of expiryOffset", () => {
  it("replaces the certificate in use later, or earlier, and asks Vault for nothing before", async () => {
    await using world = await aPkiWorld();
    const first = serial(world);
    const asked = await askedOf(world, async () => {
      await edited(world, { expiryOffset: "2m" });
      await world.advance("7m");
    });
    assert.deepEqual([issues(asked), serial(world)], [0, first]);
    assert.match(world.condition("web", "Ready", PKI), /^True/);
    await world.advance("65s");
    const second = serial(world);
    assert.notEqual(second, first);
    await edited(world, { expiryOffset: "6m" });
    await world.advance("3m");
    assert.equal(serial(world), second);
    await world.advance("50s");
    assert.notEqual(serial(world), second);
  });

  it("replaces it at once where its time is over by then, and once", async () => {
    await using world = await aPkiWorld();
    const first = serial(world);
    await world.advance("3m");
    const asked = await askedOf(world, async () => {
      await edited(world, { expiryOffset: "8m" });
      await world.advance("1m");
    });
    assert.equal(issues(asked), 1);
    assert.notEqual(serial(world), first);
  });

  it("that no such certificate can have is told, and the one in use stays until its former time", async () => {
    await using world = await aPkiWorld();
    const first = serial(world);
    const asked = await askedOf(world, async () => {
      await edited(world, { expiryOffset: "20m" });
      await world.advance("6m");
    });
    assert.deepEqual([issues(asked), serial(world)], [0, first]);
    assert.match(
      world.condition("web", "Ready", PKI),
      /^False: VAULT_CERTIFICATE_UNUSABLE: .*in use is valid for 600 s only.*1200 s before its end \(spec\.expiryOffset\)/,
    );
    const later = await askedOf(world, () => world.advance("5m"));
    assert.ok(issues(later) > 0, "Vault may give a longer one by now");
    await edited(world, { expiryOffset: "2m" });
    await world.advance("10s");
    assert.match(world.condition("web", "Ready", PKI), /^True/);
  });

  it("that Vault's next certificate can't have asks for one, and the one in use stays until its former time", async () => {
    await using world = await aPkiWorld();
    await world.vault.putPkiRole("short", { ttl: "1h" });
    await world.edit(PKI, "web", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    await world.advance("20m");
    const first = serial(world);
    await world.vault.putPkiRole("short", { ttl: "3m" });
    const asked = await askedOf(world, async () => {
      await edited(world, { expiryOffset: "45m" });
      await world.advance("15m");
    });
    assert.deepEqual([issues(asked), serial(world)], [1, first]);
    assert.match(
      world.condition("web", "Ready", PKI),
      /^False: VAULT_CERTIFICATE_UNUSABLE: Vault's answer .* valid for 180 s only/,
    );
    const again = await askedOf(world, async () => {
      await edited(world, { expiryOffset: "44m" });
      await world.advance("1m");
    });
    assert.equal(issues(again), 1, "another edit");
    const later = await askedOf(world, () => world.advance("8m"));
    assert.ok(issues(later) > 0, "Vault may give a longer one by now");
    await world.vault.putPkiRole("short", { ttl: "1h" });
    await world.advance("5m");
    assert.match(world.condition("web", "Ready", PKI), /^True/);
    assert.notEqual(serial(world), first);
  });
});

describe("an edit of expiryOffset of a certificate with a lease", () => {
  it("replaces it earlier, and no later than its lease needs", async () => {
    for (const [expiryOffset, seconds] of [
      ["6m", 245],
      ["90s", 405],
    ] as const) {
      await using world = await aPkiWorld({ role: "leased" });
      const first = serial(world);
      await edited(world, { role: "leased", expiryOffset });
      await world.advance(`${seconds - 20}s`);
      assert.equal(serial(world), first);
      await world.advance("20s");
      assert.notEqual(serial(world), first);
    }
  });
});

describe("an edit of revoke", () => {
  it("that switches it on revokes the certificate in use with its declaration", async () => {
    await using world = await aPkiWorld();
    const asked = await askedOf(world, async () => {
      await edited(world, { revoke: true });
      await world.advance("30s");
    });
    assert.equal(issues(asked), 0);
    assert.equal(revoked(world), 0);
    await world.remove(PKI, "web");
    await world.advance("10s");
    assert.equal(revoked(world), 1);
  });

  it("that switches it on revokes the certificate in use after its replacement, also by the same edit", async () => {
    for (const more of [{}, { ttl: "9m" }]) {
      await using world = await aPkiWorld({ annotations: { [REVOKE_REPLACED]: "30s" } });
      await edited(world, { revoke: true, ...more });
      await world.advance("5s");
      await world.edit(PKI, "web", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
      await world.advance("1m");
      assert.equal(revoked(world), Object.keys(more).length + 1);
    }
  });

  it("that switches it off revokes neither with the declaration nor after a replacement, also by the same edit", async () => {
    for (const more of [{}, { ttl: "9m" }]) {
      await using world = await aPkiWorld({ revoke: true, annotations: { [REVOKE_REPLACED]: "30s" } });
      await edited(world, { revoke: false, ...more });
      await world.advance("5s");
      await world.edit(PKI, "web", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
      await world.advance("1m");
      await world.remove(PKI, "web");
      await world.advance("1m");
      assert.equal(revoked(world), 0);
      const left = (await world.store.byCluster("east")).filter(({ key }) => key.includes(PKI));
      assert.deepEqual(left, [], "nothing of it is left to be done");
    }
  });

  it("that switches it off and on again revokes", async () => {
    await using world = await aPkiWorld({ revoke: true });
    for (const revoke of [false, true]) {
      await edited(world, { revoke });
      await world.advance("5s");
    }
    await world.remove(PKI, "web");
    await world.advance("10s");
    assert.equal(revoked(world), 1);
  });
});
