import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StaticSecretSpec } from "./world/builders.ts";
import { anIssuingWorld, aPkiSecret, PKI, statusOf } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

const serial = (world: World) => statusOf(world, "web", PKI).serialNumber;
const SPEC: StaticSecretSpec = { altNames: ["a.example.com", "b.example.com"] };

/** A certificate of which the Secret has only what its template leaves. */
async function aPkiWorld(text: string, more: StaticSecretSpec = {}): Promise<World> {
  const world = await anIssuingWorld();
  const transformation = { excludeRaw: true, excludes: [".*"], templates: { shaped: { name: "shaped", text } } };
  await world.given(aPkiSecret("web", { ...SPEC, ...more, destination: { type: "Opaque", transformation } }));
  await world.advance("5s");
  assert.deepEqual(Object.keys(world.secret("web")?.data ?? {}), ["shaped"]);
  return world;
}

const named = async (world: World, spec: object) => {
  await world.edit(PKI, "web", { spec });
  await world.advance("10s");
  return serial(world);
};

describe("names of a certificate that its Secret does not have", () => {
  it("issue anew when they change, and not when they are the same in another order or form", async () => {
    await using world = await aPkiWorld("no. {{ .Secrets.serial_number }}");
    const first = serial(world);
    assert.equal(await named(world, { altNames: ["B.example.com", "a.example.com", "b.example.com"] }), first);
    const second = await named(world, { altNames: ["a.example.com", "b.example.com", "c.example.com"] });
    assert.notEqual(second, first);
    const third = await named(world, { uriSans: ["spiffe://web"] });
    assert.notEqual(third, second);
    await world.advance("5m");
    assert.equal(serial(world), third);
  });
});

describe("names of a certificate that its Secret has in another form", () => {
  for (const [what, text, format] of [
    ["DER", "{{ .Secrets.certificate }}", "der"],
    ["PEM after that of its CA", "{{ .Secrets.issuing_ca }}\n{{ .Secrets.certificate }}", "pem"],
  ] as const) {
    it(`issue anew when it lacks one of them, and not when it has them already: ${what}`, async () => {
      await using world = await aPkiWorld(text, { format });
      const first = serial(world);
      assert.equal(await named(world, { altNames: ["a.example.com"] }), first);
      assert.equal(await named(world, { altNames: SPEC.altNames }), first);
      assert.notEqual(await named(world, { altNames: ["c.example.com"] }), first);
    });
  }
});
