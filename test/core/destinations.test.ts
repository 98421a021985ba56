import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { API, aNamespace, aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { gateAt } from "./world/effects.ts";
import { base64 } from "./world/views.ts";
import { aWorld, type World } from "./world/world.ts";

async function synced(
  options: Parameters<typeof aWorld>[0] = {},
  spec: Parameters<typeof aStaticSecret>[1] = {},
): Promise<World> {
  const world = await aWorld(options);
  await world.given(aVaultSecret(), aStaticSecret("db", spec));
  await world.advance("10s");
  assert.equal(world.secret("db")?.data.password, "one");
  return world;
}

describe("drift", () => {
  it("a value that somebody changed is put back at once", async () => {
    await using world = await synced();
    await world.edit("Secret", "db", { data: { password: base64("eve") } });
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("a key that somebody added or took away is put right", async () => {
    await using world = await synced();
    await world.edit("Secret", "db", { data: { password: null, extra: base64("1") } });
    await world.advance("5s");
    assert.deepEqual(Object.keys(world.secret("db")?.data ?? {}).sort(), ["_raw", "password"]);
  });

  it("a key that somebody added is taken away, and that is told like any other repair", async () => {
    await using world = await synced();
    const told = () => [world.events("db").length, world.log.filter(({ event }) => event === "secret-written").length];
    const [events = 0, lines = 0] = told();
    await world.edit("Secret", "db", { data: { extra: base64("1") } });
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.extra, undefined);
    assert.deepEqual(told(), [events + 1, lines + 1]);
    assert.ok(world.events("db").some(({ message }) => message === "Secret synced: its data differs"));
  });

  it("a label of ours that somebody changed is put back", async () => {
    await using world = await synced();
    const label = "app.kubernetes.io/managed-by";
    const before = world.secret("db")?.labels[label];
    await world.edit("Secret", "db", { metadata: { labels: { [label]: "someone" } } });
    await world.advance("5s");
    assert.equal(world.secret("db")?.labels[label], before);
  });

  it("an annotation of another controller is no drift: it stays, and nobody is asked", async () => {
    await using world = await synced();
    const costs = await world.counting(async () => {
      await world.edit("Secret", "db", { metadata: { annotations: { "example.com/seen": "yes" } } });
      await world.advance("5s");
    });
    assert.deepEqual([costs.requests, costs.claims], [0, 0]);
    assert.equal(world.secret("db")?.annotations["example.com/seen"], "yes");
  });

  it("lease-table 9: a Secret that was deleted is made anew within a second or two", async () => {
    await using world = await synced();
    await world.remove("Secret", "db");
    await world.advance("2s");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("lease-table 22: an edit while the row is claimed is judged after it, and not lost", async () => {
    await using world = await aWorld({ isAsleep: true });
    const gate = gateAt("store settle");
    world.start({ effect: gate.effect });
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("10s");
    await world.edit("Secret", "db", { data: { password: base64("eve") } });
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "eve", "its row is claimed still");
    gate.open();
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "one");
  });

  it("lease-table 7: with observe: apply an edit is put right by the next refresh, and an unchanged one costs one apply", async () => {
    await using world = await synced({ clusters: [{ observe: "apply" }] });
    await world.advance("2m");
    const costs = await world.counting(() => world.advance("54s"));
    assert.deepEqual([costs.requests, costs.claims, costs.reads], [1, 0, 1]);
    await world.edit("Secret", "db", { data: { password: base64("eve") } });
    await world.advance("60s");
    assert.equal(world.secret("db")?.data.password, "one");
  });
});

describe("whose Secret it is", () => {
  it("one that others made is left as it is, and the sync says so", async () => {
    await using world = await aWorld();
    await world.cluster().apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "db", namespace: "shop" },
      data: { a: base64("1") },
    });
    const before = world.secret("db");
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("1m");
    assert.deepEqual(world.secret("db"), before);
    assert.match(world.condition("db"), /^False: SECRET_NOT_OURS/);
  });

  it("with create: false the data of another's Secret is replaced, and nothing else of it", async () => {
    await using world = await aWorld();
    const metadata = { name: "db", namespace: "shop", labels: { team: "shop" } };
    await world.cluster().apply({ apiVersion: "v1", kind: "Secret", metadata, data: { a: base64("1") } });
    await world.given(aVaultSecret(), aStaticSecret("db", { destination: { create: false } }));
    await world.advance("10s");
    const found = world.secret("db");
    assert.deepEqual(
      [found?.data.password, found?.data.a, found?.labels, found?.owners],
      ["one", undefined, { team: "shop" }, []],
    );
    await world.remove("VaultStaticSecret", "db");
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.password, "one", "it was never ours");
  });

  it("kubernetes-rules 6: of two declarations of one Secret the first goes on; the second has it when the first is gone", async () => {
    await using world = await synced();
    await world.given(
      aVaultSecret("rival", { password: "rival" }),
      aStaticSecret("rival", { destination: { name: "db" } }),
    );
    await world.advance("3m");
    assert.equal(world.secret("db")?.data.password, "one");
    assert.match(world.condition("rival"), /SECRET_NOT_OURS/);
    const { uid } = world.secret("db") ?? assert.fail();
    await world.remove("VaultStaticSecret", "db");
    await world.advance("30s");
    assert.equal(world.secret("db")?.data.password, "rival");
    assert.equal(world.secret("db")?.uid, uid, "it was never away");
  });
});

describe("two declarations that swap their Secrets", () => {
  it("say that each waits for the other, and go on once one has a third Secret", async () => {
    await using world = await aWorld();
    const names = ["a", "b"] as const;
    await world.given(...names.flatMap((name) => [aVaultSecret(name, { password: name }), aStaticSecret(name)]));
    await world.advance("1m");
    const move = (name: string, to: string) =>
      world.edit("VaultStaticSecret", name, { spec: { destination: { name: to } } });
    await move("a", "b");
    await move("b", "a");
    await world.advance("10m");
    for (const [name, other] of [names, names.toReversed()]) {
      const cycle = new RegExp(
        `VaultStaticSecret ${other} now names ${name}, which this declaration has not left: each`,
      );
      assert.match(world.condition(name ?? ""), cycle);
    }
    await move("a", "c");
    await world.advance("10m");
    await move("a", "b");
    await world.advance("10m");
    assert.deepEqual([world.secret("b")?.data.password, world.secret("a")?.data.password], names);
    assert.equal(world.secret("c"), undefined);
  });
});

describe("clean-up", () => {
  it("what is no longer declared goes, with its row", async () => {
    await using world = await synced();
    await world.remove("VaultStaticSecret", "db");
    await world.advance("5m");
    assert.equal(world.secret("db"), undefined);
    assert.deepEqual(
      (await world.store.byCluster("east")).filter(({ key }) => key.includes("VaultStaticSecret")),
      [],
    );
  });

  it("a declaration that was made anew under its name has its Secret", async () => {
    await using world = await synced();
    await world.remove("VaultStaticSecret", "db");
    await world.given(aVaultSecret("db", { password: "two" }), aStaticSecret());
    await world.advance("3m");
    assert.equal(world.secret("db")?.data.password, "two");
    assert.match(world.condition("db"), /^True/);
  });

  it("a namespace that goes takes all along, and no row is left", async () => {
    await using world = await aWorld();
    await world.given(aNamespace("team"), aVaultSecret());
    await world.given({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "app", namespace: "team" } });
    await world.given(aStaticSecret("db", { namespace: "team" }));
    await world.advance("10s");
    assert.equal(world.secret("db", { namespace: "team" })?.data.password, "one");
    await world.cluster().delete({ apiVersion: "v1", kind: "Namespace", name: "team" });
    await world.advance("5m");
    const rows = await world.store.byCluster("east");
    assert.deepEqual(
      rows.filter(({ key }) => key.includes("/team/")),
      [],
    );
  });

  it("a Secret that somebody else has taken over is not removed", async () => {
    await using world = await synced();
    const other = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "other", namespace: "shop" } };
    const [owner] = await world.cluster().apply(other);
    const reference = { apiVersion: "v1", kind: "ConfigMap", name: "other", uid: owner?.metadata.uid };
    await world.remove("VaultStaticSecret", "db");
    await world.edit("Secret", "db", { metadata: { ownerReferences: [reference] } });
    await world.advance("5m");
    assert.deepEqual(world.secret("db")?.owners, ["other"]);
  });

  it("what is handed over is forgotten, and its Secret stays as it is", async () => {
    await using world = await synced();
    const before = world.secret("db");
    await world.edit("VaultStaticSecret", "db", { metadata: { annotations: { "keyferry.dev/handed-over": "true" } } });
    await world.advance("10s");
    assert.equal(await world.row(), undefined);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("3m");
    assert.deepEqual(world.secret("db"), before);
  });

  it("lease-table 18: when more vanish at once than is believable, all Secrets stay until a person says so", async () => {
    await using world = await aWorld();
    const names = Array.from({ length: 20 }, (_, at) => `sync-${at}`);
    await world.given(aVaultSecret(), ...names.map((name) => aStaticSecret(name, { path: "db" })));
    await world.advance("20s");
    world.crash();
    for (const name of names.slice(0, 15)) {
      const declaration = { apiVersion: API, kind: "VaultStaticSecret", namespace: "shop", name };
      await world.cluster().delete(declaration, { propagationPolicy: "Orphan" });
    }
    await world.cluster().restart();
    world.start();
    await world.advance("3m");
    for (const name of names) assert.ok(world.secret(name), name);
    assert.ok((await world.store.cluster("east"))?.state.awaitingApproval, "held for a person");
  });
});
