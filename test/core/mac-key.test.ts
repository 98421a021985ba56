import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret, aVaultSecret, type Given } from "./world/builders.ts";
import { KEY, macOf, STATIC } from "./world/handing-over.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret, DYNAMIC, PKI, statusOf, writtenIn } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

/** One sync of each kind that has MACs. */
const WITH_MACS: readonly (readonly [kind: string, name: string, declared: Given])[] = [
  [STATIC, "kv", aStaticSecret("kv", { path: "db" })],
  [DYNAMIC, "fixed", aDynamicSecret("fixed", { path: "static-creds/fixed", allowStaticCreds: true })],
  [PKI, "web", aPkiSecret()],
];

/** A world in which these are in step, without any key of MACs. The process that makes one starts later. */
async function withoutKey(...things: readonly Given[]): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putStaticRole("fixed", { rotationPeriod: "24h" });
  await world.given(aVaultSecret(), ...things);
  await world.advance("20s");
  world.crash();
  return world;
}

const keyIn = (world: World) => world.resource("vso-cc-storage-hmac-key", "Secret", { namespace: "vso" });

describe("kubernetes-rules 22: a cluster without the key of MACs", () => {
  it("gets one, and each sync in step that has MACs gets its own by one run; others do not run", async () => {
    await using world = await withoutKey(...WITH_MACS.map(([, , declared]) => declared), aDynamicSecret("leased"));
    for (const [kind, name] of WITH_MACS) assert.equal(statusOf(world, name, kind).secretMAC, undefined, name);
    const secrets = () => [...WITH_MACS.map(([, name]) => name), "leased"].map((name) => world.secret(name));
    const before = secrets();
    const written = await writtenIn(world, async () => {
      world.start({ newMacKey: KEY });
      await world.advance("2m");
    });
    assert.equal(keyIn(world)?.data?.key, KEY.toString("base64"));
    for (const [kind, name] of WITH_MACS) assert.equal(statusOf(world, name, kind).secretMAC, macOf(world, name), name);
    assert.deepEqual(secrets(), before, "no Secret was written");
    assert.deepEqual(written, { claim: 3, settle: 3, nudge: 3 });
  });

  for (const [kind, name, declared] of WITH_MACS) {
    it(`gets none while a ${kind} has a MAC by another one`, async () => {
      await using world = await withoutKey(declared);
      const path = `/apis/secrets.hashicorp.com/v1beta1/namespaces/shop/${kind.toLowerCase()}s/${name}/status`;
      const how = { contentType: "application/merge-patch+json" };
      const { status } = await world.cluster().request("PATCH", path, { status: { secretMAC: "bWFj" } }, how);
      assert.equal(status, 200);
      world.start({ newMacKey: KEY });
      await world.advance("2m");
      assert.equal(keyIn(world), undefined);
      const why = world.log.find(({ event }) => event === "mac-key-not-made");
      assert.equal(why?.fields?.because, "resources have MACs of a missing key");
    });
  }
});
