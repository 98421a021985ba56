import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aSecret, held, versions, writes } from "../../world/pushing.ts";
import { aPushSecret, aWorldOfPushSecrets, failureOf, ONE, PATH, statusOf } from "./scene.ts";

describe("a VaultPushSecret at its edges", () => {
  it("has no version in its status after a move to kv-v1", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aPushSecret());
    await world.advance("1m");
    await world.edit("VaultPushSecret", "app", { spec: { destination: { mount: "old" } } });
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH, "old"), ONE);
    assert.deepEqual(statusOf(world).lastPushed, { path: `old/${PATH}` });
  });

  it("can't be handed over to Vault Secrets Operator, which does not know it", async () => {
    await using world = await aWorldOfPushSecrets();
    const annotations = { "keyferry.dev/handed-over": "vso" };
    const { metadata, ...rest } = aPushSecret("marked", { destination: { mount: "kv", path: "apps/shop/marked" } });
    await world.given(aPushSecret(), { ...rest, metadata: { ...metadata, annotations } });
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/shop/marked"), ONE);
    await world.edit("VaultPushSecret", "app", { metadata: { annotations } });
    await world.advance("1m");
    assert.ok(await world.row("app", "VaultPushSecret"));
    await world.remove("VaultPushSecret", "app");
    await world.advance("1m");
    assert.equal(await held(world, PATH), undefined);
  });

  it("is refused before a write if the names of its fields are too long for a row", async () => {
    await using world = await aWorldOfPushSecrets();
    const keys = Array.from({ length: 300 }, (_, at) => [`k${at}`, "x"]);
    await world.given(aSecret("many", Object.fromEntries(keys)));
    const source = { secretRef: { name: "many" } };
    await world.given(aPushSecret("app", { sources: [{ ...source, prefix: "p".repeat(250) }] }));
    await world.advance("1m");
    assert.match(await failureOf(world), /SECRET_TOO_LARGE: .*the names of 300 fields are too long together/);
    assert.equal(writes(world), 0);
    await world.edit("VaultPushSecret", "app", { spec: { sources: [{ ...source, prefix: "p".repeat(100) }] } });
    await world.advance("1m");
    assert.equal(Object.keys((await held(world, PATH)) ?? {}).length, 300);
  });

  it("in a namespace that leaves push.namespaces frees its path, and nothing is removed", async () => {
    await using world = await aWorldOfPushSecrets({ namespaces: { include: ["shop", "bank"], exclude: [] } });
    await world.given(aPushSecret());
    await world.advance("1m");
    const namespaces = { include: ["bank"], exclude: [] };
    world.fleet((all) => all.map((one) => (one.push ? { ...one, push: { ...one.push, namespaces } } : one)));
    world.crash();
    world.start();
    await world.advance("1m");
    assert.equal(await world.row("app", "VaultPushSecret"), undefined);
    await world.remove("VaultPushSecret", "app");
    await world.advance("1m");
    assert.deepEqual([await held(world, PATH), versions(world, PATH)], [ONE, 1]);
  });

  it("pushes where a pattern's mount has a placeholder", async () => {
    await using world = await aWorldOfPushSecrets({ paths: ["{name}/apps/{namespace}/**"] });
    await world.given(aPushSecret("kv"), aPushSecret("old"));
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), ONE);
    assert.match(`${(await world.row("old", "VaultPushSecret"))?.state.error?.code}`, /PUSH_NOT_ALLOWED/);
  });
});
