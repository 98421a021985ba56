import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aNamespace } from "../world/builders.ts";
import { annotations, aPushingWorld, aSecret, held } from "../world/pushing.ts";

describe("an annotation that comes and goes", () => {
  it("pushes again when the same annotation is put back", async () => {
    await using world = await aPushingWorld();
    const declared = annotations({ path: "kv/apps/shop/db" });
    await world.given(aSecret("db", { a: "1" }, { annotations: declared }));
    await world.advance("3s");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
    await world.edit("Secret", "db", { metadata: { annotations: { "vault-sync.io/path": null } } });
    await world.advance("3s");
    assert.equal(await held(world, "apps/shop/db"), undefined);
    await world.edit("Secret", "db", { metadata: { annotations: declared } });
    await world.advance("5m");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
  });
});

describe("a namespace that goes", () => {
  it("is no reason to forget what was pushed: when its service account is back, it is cleaned up", async () => {
    await using world = await aPushingWorld();
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "app", namespace: "team" } };
    const metadata = { namespace: "team", annotations: annotations({ path: "kv/apps/team/db" }) };
    await world.given(aNamespace("team"), account, aSecret("db", { a: "1" }, metadata));
    await world.given(aSecret("held", {}, { namespace: "team", finalizers: ["example.com/held"] }));
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/team/db"), { a: "1" });
    world.vault.server.isSealed = true;
    await world.advance("2h");
    await world.cluster().delete({ apiVersion: "v1", kind: "Namespace", name: "team" });
    await world.advance("1m");
    world.vault.server.isSealed = false;
    await world.advance("10m");
    assert.deepEqual(await held(world, "apps/team/db"), { a: "1" });
    await world.edit("Secret", "held", { metadata: { finalizers: null } }, { namespace: "team" });
    await world.advance("1m");
    await world.given(aNamespace("team"), account);
    await world.advance("1h");
    assert.equal(await held(world, "apps/team/db"), undefined);
  });
});
