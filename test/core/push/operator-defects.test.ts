import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions } from "../world/pushing.ts";

const PATH = "apps/shop/app";
const KEYS = (prefix: string, ...keys: readonly string[]) => JSON.stringify([{ name: "db", keys, prefix }]);

/** Defects of Vault Sync Operator that other stories of pushes do not show to be absent. */
describe("what Vault Sync Operator does wrong", () => {
  it("edited keys and prefixes are written, each edit as one version", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, secrets: KEYS("", "user", "password") }));
    await world.advance("1m");
    await world.edit("Deployment", "app", { metadata: { annotations: annotations({ secrets: KEYS("", "user") }) } });
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), { user: "app" });
    await world.edit("Deployment", "app", { metadata: { annotations: annotations({ secrets: KEYS("db_", "user") }) } });
    await world.advance("2m");
    assert.deepEqual([await held(world, PATH), versions(world, PATH)], [{ db_user: "app" }, 3]);
  });

  it("a path that fails is tried again, and the others are not written again", async () => {
    await using world = await aPushingWorld();
    await world.vault.putKv("kv", `${PATH}/second`, { theirs: "x" });
    await world.given(aSecret("first"), aSecret("second"), aPushed({ path: `kv/${PATH}` }, ["first", "second"]));
    await world.advance("1m");
    assert.equal((await world.row("app", "Deployment"))?.state.error?.code, "PUSH_CONFLICT");
    await world.vault.remove(`kv/metadata/${PATH}/second`);
    await world.edit("Secret", "second", { metadata: { labels: { seen: "yes" } } });
    await world.advance("2m");
    assert.deepEqual([versions(world, `${PATH}/first`), versions(world, `${PATH}/second`)], [1, 1]);
  });

  it("two entries for one key are refused, and nothing is written", async () => {
    await using world = await aPushingWorld();
    const secrets = '[{"name":"db","keys":["user"]},{"name":"api","keys":["user"]}]';
    await world.given(aSecret(), aSecret("api", { user: "x" }), aPushed({ path: `kv/${PATH}`, secrets }));
    await world.advance("1m");
    assert.equal((await world.row("app", "Deployment"))?.state.error?.code, "SPEC_INVALID");
    assert.equal(versions(world, PATH), 0);
  });

  it("annotated objects are never written to: no finalizer, no annotation, the same resourceVersion", async () => {
    await using world = await aPushingWorld({}, { isAsleep: true });
    const own = { annotations: annotations({ path: "kv/apps/shop/db", reconcile: "1m" }) };
    await world.given(aSecret("db", { a: "1" }, own), aPushed({ path: `kv/${PATH}` }));
    const seen = () =>
      ["Secret", "Deployment"].map((kind) => world.resource(kind === "Secret" ? "db" : "app", kind)?.metadata);
    // The Deployment controller has written its status.
    await world.advance("10s");
    const before = structuredClone(seen());
    world.start();
    await world.advance("3m");
    assert.equal(versions(world, "apps/shop/db"), 1);
    assert.deepEqual(seen(), before);
  });

  it("the version of kv is asked for: a mount called secret may have version 1", async () => {
    await using world = await aPushingWorld({ paths: ["secret/apps/{namespace}/**"] });
    await world.vault.enableKv("secret", 1);
    const all = '["create", "read", "update", "delete"]';
    await world.vault.writePolicy("push", `path "secret/apps/*" { capabilities = ${all} }`);
    const own = { annotations: annotations({ path: "secret/apps/shop/db" }) };
    await world.given(aSecret("db", { a: "1" }, own));
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/shop/db", "secret"), { a: "1" });
    await world.remove("Secret", "db");
    await world.advance("1m");
    assert.equal(await held(world, "apps/shop/db", "secret"), undefined);
  });
});
