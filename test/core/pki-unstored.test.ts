import assert from "node:assert/strict";
import { it } from "node:test";
import { anIssuingWorld, aPkiSecret, PKI } from "./world/issuing.ts";

it("a certificate that Vault did not store is left to its end, which is told once", async () => {
  await using world = await anIssuingWorld();
  await world.vault.putPkiRole("unstored", { ttl: "24h", no_store: true });
  await world.given(aPkiSecret("web", { role: "unstored", revoke: true }));
  await world.advance("5s");
  await world.remove(PKI, "web");
  await world.advance("30m");
  const told = world.log.filter(({ event }) => event === "certificate-not-stored");
  assert.deepEqual(
    told.map(({ level }) => level),
    ["warn"],
  );
  const left = (await world.store.byCluster("east")).filter(({ key }) => key.includes(PKI));
  assert.deepEqual(left, [], "nothing of it is left to be done");
});

it("a certificate that can't be revoked yet is tried again, however often", async () => {
  await using world = await anIssuingWorld();
  await world.vault.putPkiRole("web", { ttl: "24h" });
  await world.given(aPkiSecret("web", { revoke: true }));
  await world.advance("5s");
  await world.vault.writePolicy("app", 'path "pki/issue/*" { capabilities = ["update"] }');
  await world.remove(PKI, "web");
  await world.advance("2h");
  assert.equal(world.log.filter(({ event }) => event === "certificate-not-stored").length, 0);
  await world.vault.writePolicy("app", 'path "pki/revoke" { capabilities = ["update"] }');
  await world.advance("15m");
  assert.ok(world.vault.certificates().every(({ revokedAt }) => revokedAt !== undefined));
});
