import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions, writes } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";

describe("a Deployment with annotations", () => {
  it("pushes each Secret that its pod template refers to, below its path", async () => {
    await using world = await aPushingWorld();
    await world.given(
      aSecret(),
      aSecret("api", { token: "t" }),
      aPushed({ path: "kv/data/apps/shop/app" }, ["db", "api"]),
    );
    await world.advance("10s");
    assert.deepEqual(await held(world, "apps/shop/app/db"), { user: "app", password: "one" });
    assert.deepEqual(await held(world, "apps/shop/app/api"), { token: "t" });
  });

  it("pushes named keys with a prefix into one path", async () => {
    await using world = await aPushingWorld();
    const secrets = '[{"name":"db","keys":["user","password"],"prefix":"db_"},{"name":"api","keys":["token"]}]';
    await world.given(aSecret(), aSecret("api", { token: "t" }), aPushed({ path: "kv/apps/shop/app", secrets }));
    await world.advance("10s");
    assert.deepEqual(await held(world, "apps/shop/app"), { db_user: "app", db_password: "one", token: "t" });
  });

  it("writes one version for a changed Secret, within a second or two, and none for anything else", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: "kv/apps/shop/app" }));
    await world.advance("1m");
    await world.edit("Secret", "db", { data: { password: base64("two") } });
    await world.advance("2s");
    assert.equal((await held(world, "apps/shop/app/db"))?.password, "two");
    const before = writes(world);
    for (let replicas = 1; replicas <= 20; replicas++) {
      await world.edit("Deployment", "app", { spec: { replicas } });
      await world.advance("30s");
    }
    await world.edit("Secret", "db", { metadata: { labels: { seen: "yes" } } });
    await world.advance("1h");
    assert.deepEqual([writes(world) - before, versions(world, "apps/shop/app/db")], [0, 2]);
  });
});

describe("a Secret with annotations", () => {
  it("writes a changed Secret also after the clock was set back by an hour", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: "kv/apps/shop/app", secrets: '[{"name":"db","keys":["password"]}]' }));
    await world.advance("1m");
    world.time.stepClock(-3_600_000);
    await world.edit("Secret", "db", { data: { password: base64("two") } });
    await world.advance("1m");
    assert.equal((await held(world, "apps/shop/app"))?.password, "two");
  });

  it("pushes itself, once", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("db", { a: "1" }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
    await world.advance("1h");
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
    assert.equal(versions(world, "apps/shop/db"), 1);
  });

  it("pushes to kv-v1, and binary values as base64 under another name", async () => {
    await using world = await aPushingWorld();
    const data = { text: "ü", binary: Uint8Array.of(0xff, 0xfe, 0, 0x80) };
    await world.given(aSecret("db", data, { annotations: annotations({ path: "old/apps/shop/db" }) }));
    await world.advance("10s");
    assert.deepEqual(await held(world, "apps/shop/db", "old"), { text: "ü", "binary.b64": "//4AgA==" });
  });
});
