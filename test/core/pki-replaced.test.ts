import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
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

describe("a replaced certificate", () => {
  it("is forgotten when it has ended, and no lifetime after its replacement", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putPkiRole("web", { ttl: "6h" });
    await world.given(aPkiSecret("web", { revoke: true }));
    await world.advance("3h");
    await refreshed(world, 1, 1);
    await world.advance("170m");
    assert.equal(await held(world), 2, "it has eight minutes more");
    await world.advance("10m");
    assert.deepEqual([await held(world), revoked(world)], [1, 0]);
  });
});

describe("a certificate that is refused, or that the lease table can't record", () => {
  const CLOSED = POLICY.replace('path "pki/revoke" { capabilities = ["update"] }', "");
  const states = async (world: World) => (await world.row("web", PKI))?.state.issues?.map(({ state }) => state) ?? [];

  it("is revoked later where Vault revokes it not at once", async () => {
    await using world = await anIssuingWorld();
    await world.vault.writePolicy("app", CLOSED);
    await world.given(aPkiSecret("web", { revoke: true, expiryOffset: "2h" }));
    await world.advance("30s");
    assert.match(world.condition("web", "Ready", PKI), /^False: VAULT_CERTIFICATE_UNUSABLE/);
    const refused = world.vault.certificates().map(() => "ending");
    assert.deepEqual([await states(world), revoked(world)], [refused, 0]);
    await world.vault.writePolicy("app", POLICY);
    await world.edit(PKI, "web", { spec: { expiryOffset: "10m" } });
    await world.advance("15m");
    assert.match(world.condition("web", "Ready", PKI), /^True/);
    assert.deepEqual([await states(world), revoked(world)], [["live"], refused.length]);
  });

  it("is told as what is left when its declaration goes, and revoked", async () => {
    await using world = await anIssuingWorld();
    await world.vault.writePolicy("app", CLOSED);
    await world.given(aPkiSecret("web", { revoke: true, expiryOffset: "2h" }));
    await world.advance("30s");
    await world.remove(PKI, "web");
    await world.advance("10s");
    await world.vault.writePolicy("app", POLICY);
    await world.advance("15m");
    assert.equal(revoked(world), world.vault.certificates().length);
    assert.equal(await world.row("web", PKI), undefined);
  });

  it("is forgotten once it has ended by itself", async () => {
    await using world = await anIssuingWorld();
    await world.vault.writePolicy("app", CLOSED);
    await world.given(aPkiSecret("web", { revoke: true, expiryOffset: "2h" }));
    await world.advance("30s");
    await world.vault.putPkiRole("web", { ttl: "12h" });
    await world.edit(PKI, "web", { spec: { expiryOffset: "1m" } });
    await world.advance("40m");
    assert.ok((await states(world)).includes("ending"));
    await world.advance("25m");
    assert.deepEqual([await states(world), revoked(world)], [["live"], 0]);
  });

  it("is revoked later, when the table did not record it", async () => {
    await using world = await anIssuingWorld();
    await world.given(aPkiSecret("web", { revoke: true }));
    await world.advance("10s");
    world.crash();
    await world.vault.writePolicy("app", CLOSED);
    let isFailed = false;
    world.start({
      effect: async (name, work) => {
        if (name !== "store record" || isFailed) return work();
        isFailed = true;
        throw new SyncError("STORE_UNAVAILABLE", "the table does not answer");
      },
    });
    await world.edit(PKI, "web", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    await world.advance("3m");
    assert.ok(isFailed);
    assert.equal((await states(world)).length, world.vault.certificates().length);
    await world.vault.writePolicy("app", POLICY);
    await world.advance("15m");
    assert.match(world.condition("web", "Ready", PKI), /^True/);
    assert.deepEqual(await states(world), ["ending", "live"], "the former one, and the present");
    assert.equal(revoked(world), world.vault.certificates().length - 2);
  });
});
