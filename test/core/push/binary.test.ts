import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aStaticSecret } from "../world/builders.ts";
import { ALL, annotations, aPushed, aPushingWorld, aSecret, held, versions } from "../world/pushing.ts";
import type { World } from "../world/world.ts";

const BINARY = Uint8Array.of(0xff, 0xfe, 0, 0x80);
const DECODE = { "keyferry.dev/decode-base64": "true" };

async function aCopy(world: World, declared: Record<string, string>, path = "apps/shop/db"): Promise<void> {
  await world.vault.writePolicy("app", 'path "kv/*" { capabilities = ["read"] }');
  await world.given(aStaticSecret("copy", { path, annotations: declared, refreshAfter: "10s" }));
  await world.advance("30s");
}

describe("binary values", () => {
  for (const [how, capabilities] of [
    ["listed in custom_metadata", ALL],
    ["with a suffix", ["create", "read", "update"]],
  ] as const) {
    it(`come back as the bytes that they were, in a sync that asks for it: ${how}`, async () => {
      await using world = await aPushingWorld({}, { capabilities });
      const data = { text: "ü", store: BINARY };
      await world.given(aSecret("db", data, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
      await world.advance("30s");
      await aCopy(world, DECODE);
      const { data: raw = {} } = world.resource("copy", "Secret") ?? {};
      assert.equal(raw.store, Buffer.from(BINARY).toString("base64"));
      assert.equal(world.secret("copy")?.data.text, "ü");
      assert.deepEqual(Object.keys(world.secret("copy")?.data ?? {}).sort(), ["_raw", "store", "text"]);
    });
  }

  it("stay base64 in a sync that does not ask for it", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("db", { store: BINARY }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
    await world.advance("30s");
    await aCopy(world, {});
    assert.equal(world.secret("copy")?.data.store, Buffer.from(BINARY).toString("base64"));
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

const PATH = "apps/shop/db";
const TEXT = Buffer.from(BINARY).toString("base64");

async function custom(world: World): Promise<Record<string, string>> {
  const { body } = await world.vault.request<{ data?: { custom_metadata?: Record<string, string> } }>(
    "GET",
    `kv/metadata/${PATH}`,
  );
  return body.data?.custom_metadata ?? {};
}

/** A Secret with text and bytes that is pushed to PATH, and the bytes of its keys. */
async function pushing(world: World, data: Record<string, string | Uint8Array>, more: Record<string, string> = {}) {
  await world.given(aSecret("db", data, { annotations: annotations({ path: `kv/${PATH}`, ...more }) }));
  await world.advance("1m");
}

function asked(world: World): number {
  return world.vault.server.audit.get("update sys/capabilities-self") ?? 0;
}

describe("the list of binary values in custom_metadata", () => {
  it("names them beside what others have there, and follows every change", async () => {
    await using world = await aPushingWorld();
    await pushing(world, { a: "text", store: BINARY });
    assert.deepEqual(
      [await held(world, PATH), await custom(world)],
      [{ a: "text", store: TEXT }, { "keyferry.base64": "store" }],
    );
    await world.vault.request("PATCH", `kv/metadata/${PATH}`, { custom_metadata: { theirs: "x" } });
    await world.edit("Secret", "db", { data: { a: TEXT } });
    await world.advance("1m");
    assert.deepEqual(await custom(world), { theirs: "x", "keyferry.base64": "a,store" });
    await world.edit("Secret", "db", { data: { a: "dGV4dA==", store: "dGV4dA==" } });
    await world.advance("1m");
    assert.deepEqual([await held(world, PATH), await custom(world)], [{ a: "text", store: "text" }, { theirs: "x" }]);
    assert.deepEqual([versions(world, PATH), asked(world)], [3, 1]);
  });

  it("costs nothing while nothing changes, and nothing without binary values", async () => {
    await using world = await aPushingWorld();
    await pushing(world, { store: BINARY }, { reconcile: "1m" });
    const costs = await world.counting(() => world.advance("10m"));
    assert.deepEqual([costs.claims, versions(world, PATH), asked(world)], [0, 1, 1]);
    await using plain = await aPushingWorld();
    await pushing(plain, { a: "text" });
    assert.equal(asked(plain), 0);
  });

  it("is restored by reconcile, also where the whole path was removed", async () => {
    await using world = await aPushingWorld();
    await pushing(world, { store: BINARY }, { reconcile: "1m" });
    await world.vault.request("PATCH", `kv/metadata/${PATH}`, { custom_metadata: { "keyferry.base64": null } });
    await world.advance("3m");
    assert.deepEqual([await custom(world), versions(world, PATH)], [{ "keyferry.base64": "store" }, 1]);
    await world.vault.remove(`kv/metadata/${PATH}`);
    await world.advance("3m");
    assert.deepEqual([await custom(world), versions(world, PATH)], [{ "keyferry.base64": "store" }, 1]);
  });

  it("is not used where it would be too long, or where the login may not write it, until it may", async () => {
    await using world = await aPushingWorld();
    const names = Array.from({ length: 60 }, (_, at) => `a-long-name-${at}`);
    await pushing(world, Object.fromEntries(names.map((name) => [name, BINARY])));
    assert.deepEqual([(await held(world, PATH))?.["a-long-name-7.b64"], await custom(world)], [TEXT, {}]);
    await using least = await aPushingWorld({}, { capabilities: ["create", "read", "update"] });
    await pushing(least, { store: BINARY });
    assert.deepEqual([await held(least, PATH), await custom(least)], [{ "store.b64": TEXT }, {}]);
    await least.vault.writePolicy(
      "push",
      `path "kv/data/apps/*" { capabilities = ["create", "read", "update"] } path "kv/metadata/apps/*" { capabilities = ["patch"] }`,
    );
    await least.edit("Secret", "db", { metadata: { annotations: annotations({ "keyferry.dev/refresh": "1" }) } });
    await least.advance("1m");
    assert.deepEqual([await held(least, PATH), await custom(least)], [{ store: TEXT }, { "keyferry.base64": "store" }]);
  });

  it("when the right to it is lost, the fields get a suffix", async () => {
    await using world = await aPushingWorld();
    await pushing(world, { store: BINARY });
    await world.vault.writePolicy("push", 'path "kv/data/apps/*" { capabilities = ["create", "read", "update"] }');
    await world.edit("Secret", "db", { data: { more: TEXT } });
    await world.advance("10m");
    assert.deepEqual(await held(world, PATH), { "store.b64": TEXT, "more.b64": TEXT });
  });

  it("is written after a crash that followed the fields", async () => {
    await using world = await aPushingWorld();
    world.vault.meddle(({ method, path }) =>
      method === "PATCH" && path.startsWith("kv/metadata")
        ? { instead: { status: 500, text: '{"errors":[]}' } }
        : undefined,
    );
    await pushing(world, { store: BINARY });
    assert.deepEqual([await held(world, PATH), await custom(world)], [{ store: TEXT }, {}]);
    world.vault.meddle(undefined);
    await world.advance("10m");
    assert.deepEqual([await custom(world), versions(world, PATH)], [{ "keyferry.base64": "store" }, 1]);
  });

  it("with merge, our part of it goes with our keys", async () => {
    await using world = await aPushingWorld({ conflict: "merge" });
    await world.given({ vault: PATH, data: { theirs: "x" } }, aSecret("db", { store: BINARY }));
    await world.given(aPushed({ path: `kv/${PATH}`, secrets: '[{"name":"db","keys":["store"]}]' }));
    await world.advance("1m");
    assert.deepEqual(
      [await held(world, PATH), await custom(world)],
      [{ theirs: "x", store: TEXT }, { "keyferry.base64": "store" }],
    );
    await world.remove("Deployment", "app");
    await world.advance("1m");
    assert.deepEqual([await held(world, PATH), await custom(world)], [{ theirs: "x" }, {}]);
  });
});

describe("a list of binary values that someone else left", () => {
  const PATH = "apps/shop/left";
  const listed = async (world: World) => {
    const { body } = await world.vault.request("GET", `kv/metadata/${PATH}`);
    return (body as { data?: { custom_metadata?: Record<string, string> | null } }).data?.custom_metadata ?? {};
  };
  const declared = { annotations: annotations({ path: `kv/${PATH}` }) };

  it("loses the fields that are text now, which a sync would decode", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("first", { ca: Uint8Array.of(0xff, 0xfe) }, declared));
    await world.advance("1m");
    assert.deepEqual(await listed(world), { "keyferry.base64": "ca" });
    await world.remove("Secret", "first");
    await world.advance("1m");
    await world.given(aSecret("second", { ca: "abcd" }, declared));
    await world.advance("1m");
    assert.deepEqual([await held(world, PATH), await listed(world)], [{ ca: "abcd" }, {}]);
    const { reads, claims } = await world.counting(() => world.advance("1h"));
    assert.deepEqual([reads, claims], [0, 0]);
  });
});
