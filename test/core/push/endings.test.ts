import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aNamespace, NAMESPACE } from "../world/builders.ts";
import { annotations, aPushed, aPushingWorld, aSecret, held, versions, writes } from "../world/pushing.ts";
import { deniesPatchesIn } from "../world/webhooks.ts";

const PATH = "apps/shop/app";

describe("when a declaration goes", () => {
  it("every sub-path that it pushed is deleted softly, and nothing else", async () => {
    await using world = await aPushingWorld();
    await world.given({ vault: `${PATH}/other`, data: { a: "1" } });
    await world.given(aSecret(), aSecret("api", { token: "t" }), aPushed({ path: `kv/${PATH}` }, ["db", "api"]));
    await world.advance("1m");
    await world.remove("Deployment", "app");
    await world.advance("1m");
    assert.deepEqual(await Promise.all(["db", "api", "other"].map((name) => held(world, `${PATH}/${name}`))), [
      undefined,
      undefined,
      { a: "1" },
    ]);
    assert.equal(versions(world, `${PATH}/db`), 1, "its metadata stays");
    assert.deepEqual(
      await world.store.byCluster("east").then((rows) => rows.filter(({ key }) => key.includes("Deployment"))),
      [],
    );
  });

  it("deletion: metadata removes the path", async () => {
    await using world = await aPushingWorld({ deletion: "metadata" });
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    await world.remove("Deployment", "app");
    await world.advance("1m");
    assert.equal(versions(world, `${PATH}/db`), 0);
  });

  it("someone else's later version stays, and an event says so", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    await world.vault.putKv("kv", `${PATH}/db`, { theirs: "x" });
    await world.remove("Deployment", "app");
    await world.advance("1m");
    assert.deepEqual(await held(world, `${PATH}/db`), { theirs: "x" });
    assert.match(
      world
        .events("app")
        .map(({ message }) => message)
        .join("\n"),
      /stays in Vault: it holds another version/,
    );
  });

  it("preserve-on-delete keeps it, by the last annotations that were seen", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}`, "preserve-on-delete": "true" }));
    await world.advance("1m");
    await world.remove("Deployment", "app");
    await world.advance("1m");
    assert.deepEqual(await held(world, `${PATH}/db`), { user: "app", password: "one" });
  });

  it("preserve-on-delete keeps it, also if the edit that removes the path says so first", async () => {
    for (const [preserve, isKept] of [
      ["true", true],
      ["false", false],
    ] as const) {
      await using world = await aPushingWorld({ deletion: "metadata" });
      await world.given(aSecret("db", { a: "1" }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
      await world.advance("1m");
      const edited = { "vault-sync.io/path": null, "vault-sync.io/preserve-on-delete": preserve };
      await world.edit("Secret", "db", { metadata: { annotations: edited } });
      await world.advance("10m");
      assert.equal(versions(world, "apps/shop/db"), isKept ? 1 : 0);
      await world.remove("Secret", "db");
      await world.given(aSecret("api", { b: "2" }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
      await world.advance("10m");
      const refused = (await world.row("api", "Secret"))?.state.error?.code;
      assert.equal(refused, isKept ? "PUSH_CONFLICT" : undefined, "it is nobody's");
    }
  });

  it("preserve-on-delete keeps it, also if the workload is gone before keyferry reads it whole", async () => {
    for (const isDown of [false, true]) {
      await using world = await aPushingWorld({ deletion: "metadata" });
      await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
      await world.advance("1m");
      if (isDown) world.crash();
      await world.edit("Deployment", "app", {
        metadata: { annotations: annotations({ "preserve-on-delete": "true" }) },
      });
      await world.remove("Deployment", "app");
      if (isDown) world.start();
      await world.advance("10m");
      assert.deepEqual(await held(world, `${PATH}/db`), { user: "app", password: "one" });
      assert.equal(await world.row("app", "Deployment"), undefined);
    }
  });

  it("preserve-on-delete of another object of its name keeps nothing", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret("db", { a: "1" }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
    await world.advance("1m");
    await world.remove("Secret", "db");
    await world.given(aSecret("db", { a: "2" }, { annotations: annotations({ "preserve-on-delete": "true" }) }));
    await world.advance("10m");
    assert.equal(await held(world, "apps/shop/db"), undefined);
  });

  it("a removed annotation, a former path and a Secret that left the template are cleaned up", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aSecret("api", { token: "t" }), aPushed({ path: `kv/${PATH}` }, ["db", "api"]));
    await world.advance("1m");
    await world.given(aPushed({ path: `kv/${PATH}` }, ["db"]));
    await world.advance("1m");
    assert.deepEqual([await held(world, `${PATH}/api`), (await held(world, `${PATH}/db`))?.user], [undefined, "app"]);
    await world.edit("Deployment", "app", { metadata: { annotations: annotations({ path: "kv/apps/shop/moved" }) } });
    await world.advance("1m");
    assert.deepEqual(
      [await held(world, `${PATH}/db`), (await held(world, "apps/shop/moved/db"))?.user],
      [undefined, "app"],
    );
    await world.edit("Deployment", "app", { metadata: { annotations: { "vault-sync.io/path": null } } });
    await world.advance("1m");
    assert.equal(await held(world, "apps/shop/moved/db"), undefined);
  });

  it("the operator's finalizer is removed while Vault is away, and the row does the duty later", async () => {
    await using world = await aPushingWorld();
    const metadata = { finalizers: ["vault-sync.io/finalizer"], annotations: annotations({ path: "kv/apps/shop/db" }) };
    await world.given(aSecret("db", { a: "1" }, metadata));
    await world.advance("1m");
    world.vault.fail("refused");
    await world.remove("Secret", "db");
    await world.advance("10s");
    assert.equal(world.resource("db", "Secret"), undefined);
    world.vault.fail(undefined);
    await world.advance("5m");
    assert.equal(await held(world, "apps/shop/db"), undefined);
  });

  for (const kind of ["Secret", "Deployment"] as const) {
    it(`the operator's finalizer of a ${kind} goes too if its path went before`, async () => {
      await using world = await aPushingWorld();
      const metadata = {
        ...{ name: "bad", namespace: NAMESPACE, finalizers: ["vault-sync.io/finalizer"] },
        annotations: annotations({ path: "kv/apps/shop/bad" }),
      };
      const workload = { ...aPushed({}, ["db"], "bad"), metadata };
      await world.given(aSecret(), kind === "Secret" ? aSecret("bad", { x: "1" }, metadata) : workload);
      await world.advance("1m");
      await world.edit(kind, "bad", { metadata: { annotations: { "vault-sync.io/path": null } } });
      await world.advance("1m");
      assert.deepEqual(world.resource("bad", kind)?.metadata.finalizers, metadata.finalizers, "it is not deleted yet");
      await world.remove(kind, "bad");
      await world.advance("1m");
      assert.equal(world.resource("bad", kind), undefined);
    });
  }

  for (const kind of ["Secret", "Deployment"] as const) {
    it(`the operator's finalizer of a ${kind} that cannot be removed costs nobody else a push`, async () => {
      await using world = await aPushingWorld();
      const metadata = {
        ...{ namespace: "team", finalizers: ["vault-sync.io/finalizer"] },
        annotations: annotations({ path: "kv/apps/team/bad" }),
      };
      const app = aPushed({}, ["bad"], "bad");
      await world.given(
        ...[aNamespace("team"), aSecret("bad", { x: "1" }, kind === "Secret" ? metadata : { namespace: "team" })],
        ...(kind === "Deployment" ? [{ ...app, metadata: { ...app.metadata, ...metadata } }] : []),
        aSecret("db", { a: "1" }, { annotations: annotations({ path: "kv/apps/shop/db" }) }),
      );
      await world.advance("1m");
      world.cluster().fault = deniesPatchesIn("team");
      await world.remove(kind, "bad", { namespace: "team" });
      await world.advance("1m");
      await world.given(aSecret("db", { a: "2" }, { annotations: annotations({ path: "kv/apps/shop/db" }) }));
      await world.given(aSecret("new"), aPushed({ path: `kv/${PATH}` }, ["new"]));
      await world.advance("1m");
      assert.deepEqual(
        [await held(world, "apps/shop/db"), (await held(world, `${PATH}/new`))?.user],
        [{ a: "2" }, "app"],
      );
    });
  }

  it("a clean-up that waits for Vault ends, and says so, when push leaves fleet.yaml", async () => {
    await using world = await aPushingWorld();
    const declared = { annotations: annotations({ path: "kv/apps/shop/db" }) };
    await world.given(aSecret("db", { a: "1" }, declared));
    await world.advance("1m");
    world.vault.server.isSealed = true;
    await world.remove("Secret", "db");
    await world.advance("1m");
    world.fleet((all) => all.map(({ push: _push, ...rest }) => rest));
    await world.advance("1m");
    world.vault.server.isSealed = false;
    await world.advance("10m");
    assert.deepEqual(
      (await world.store.byCluster("east")).filter(({ key }) => key.includes("/Secret/")),
      [],
    );
    assert.deepEqual(await held(world, "apps/shop/db"), { a: "1" });
  });

  it("a departed cluster, and a fleet without push, delete nothing", async () => {
    for (const change of ["push", "cluster"] as const) {
      await using world = await aPushingWorld({}, { clusters: [{}, { name: "west" }] });
      await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
      await world.advance("1m");
      const before = writes(world);
      world.fleet((all) => (change === "cluster" ? all.slice(1) : all.map(({ push: _push, ...rest }) => rest)));
      world.crash();
      world.start();
      await world.advance("5m");
      assert.equal(writes(world), before);
      assert.notEqual(await held(world, `${PATH}/db`), undefined);
    }
  });
});

describe("one path for two", () => {
  it("the later one is refused, also of another cluster, and gets it when the first one goes", async () => {
    await using world = await aPushingWorld({}, { clusters: [{}, { name: "west" }] });
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    const metadata = { annotations: annotations({ path: `kv/${PATH}/db` }), namespace: NAMESPACE };
    await world.cluster("west").apply(aSecret("mine", { b: "2" }, metadata));
    await world.advance("1m");
    assert.deepEqual(await held(world, `${PATH}/db`), { user: "app", password: "one" });
    await world.remove("Deployment", "app");
    await world.advance("10m");
    assert.deepEqual(await held(world, `${PATH}/db`), { b: "2" });
  });
});

describe("a path that was claimed and never written", () => {
  it("is free again when the declaration names another one", async () => {
    await using world = await aPushingWorld({}, { clusters: [{}, { name: "west" }] });
    await world.given({ vault: "apps/shop/a/db", data: { theirs: "x" } });
    await world.given(aSecret(), aPushed({ path: "kv/apps/shop/a" }));
    await world.advance("1m");
    assert.equal((await world.row("app", "Deployment"))?.state.error?.code, "PUSH_CONFLICT");
    await world.edit("Deployment", "app", { metadata: { annotations: annotations({ path: "kv/apps/shop/b" }) } });
    await world.advance("1m");
    await world.vault.remove("kv/metadata/apps/shop/a/db");
    const metadata = { annotations: annotations({ path: "kv/apps/shop/a/db" }) };
    await world.cluster("west").apply(aSecret("mine", { b: "2" }, metadata));
    await world.advance("1m");
    assert.deepEqual(await held(world, "apps/shop/a/db"), { b: "2" });
    assert.equal((await held(world, "apps/shop/b/db"))?.user, "app");
  });
});
