import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret } from "../world/builders.ts";
import { annotations, aPushingWorld, aSecret } from "../world/pushing.ts";
import type { World } from "../world/world.ts";

const BINARY = Uint8Array.of(0xff, 0xfe, 0, 0x80);
const DECODE = { "keyferry.dev/decode-base64": "true" };

async function aCopy(world: World, declared: Record<string, string>, path = "apps/shop/db"): Promise<void> {
  await world.vault.writePolicy("app", 'path "kv/*" { capabilities = ["read"] }');
  await world.given(aStaticSecret("copy", { path, annotations: declared, refreshAfter: "10s" }));
  await world.advance("30s");
}

describe("binary values", () => {
  it("come back as the bytes that they were, in a sync that asks for it", async () => {
    await using world = await aPushingWorld();
    const data = { text: "ü", store: BINARY };
    await world.given(aSecret("db", data, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
    await world.advance("30s");
    await aCopy(world, DECODE);
    const { data: raw = {} } = world.resource("copy", "Secret") ?? {};
    assert.equal(raw.store, Buffer.from(BINARY).toString("base64"));
    assert.equal(world.secret("copy")?.data.text, "ü");
    assert.deepEqual(Object.keys(world.secret("copy")?.data ?? {}).sort(), ["_raw", "store", "text"]);
  });

  it("stay base64 in a sync that does not ask for it", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("db", { store: BINARY }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
    await world.advance("30s");
    await aCopy(world, {});
    assert.equal(world.secret("copy")?.data["store.b64"], Buffer.from(BINARY).toString("base64"));
  });

  it("any other value of the annotation is refused", async () => {
    await using world = await aPushingWorld();
    await world.given({ vault: "apps/shop/db", data: { a: "1" } });
    await aCopy(world, { "keyferry.dev/decode-base64": "yes" });
    const { code, message } = (await world.row("copy"))?.state.error ?? {};
    assert.match(`${code}: ${message}`, /SPEC_INVALID: .*keyferry\.dev\/decode-base64.*must be "true"/);
  });

  it("fields that are not base64, or have no free name, are named, and nothing is written", async () => {
    await using world = await aPushingWorld();
    await world.given({ vault: "apps/shop/db", data: { "a.b64": "!", b: "1", "b.b64": "MQ==" } });
    await aCopy(world, DECODE);
    const { code, message } = (await world.row("copy"))?.state.error ?? {};
    assert.match(
      `${code}: ${message}`,
      /TRANSFORM_FAILED: .*a\.b64 is not base64; fields b\.b64 and b would be one key/,
    );
    assert.equal(world.secret("copy"), undefined);
  });
});
