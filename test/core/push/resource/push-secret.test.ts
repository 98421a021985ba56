import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NamedPushIdentity } from "../../../../lib/ports/fleet-push.ts";
import { aPushed, aSecret, held, versions } from "../../world/pushing.ts";
import { base64 } from "../../world/views.ts";
import { aPushSecret, aWorldOfPushSecrets, conditionsOf, failureOf, ONE, PATH, statusOf, told } from "./scene.ts";

describe("a VaultPushSecret", () => {
  it("pushes its sources into one path, and its status says where and as which version", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aSecret("api", { token: "t", other: "o" }));
    const sources = [
      { secretRef: { name: "db" }, keys: [{ key: "user", field: "DB_USER" }, { key: "password" }], prefix: "db_" },
      { secretRef: { name: "api" }, keys: [{ key: "token" }] },
      { secretRef: { name: "none" }, optional: true },
    ];
    await world.given(aPushSecret("app", { sources }));
    await world.advance("10s");
    assert.deepEqual(await held(world, PATH), { DB_USER: "app", db_password: "one", token: "t" });
    const status = statusOf(world);
    assert.deepEqual(
      [conditionsOf(status), status.lastPushed, status.observedGeneration, status.lastGeneration],
      [{ SecretSynced: "True", Healthy: "True", Ready: "True" }, { path: `kv/${PATH}`, version: 1 }, 1, 1],
    );
    assert.match(told(world), /Secret synced: it is new/);
  });

  it("follows a changed Secret within seconds, and an hour without a change costs nothing", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aPushSecret());
    await world.advance("1m");
    await world.edit("Secret", "db", { data: { password: base64("two") } });
    await world.advance("2s");
    assert.deepEqual(await held(world, PATH), { user: "app", password: "two" });
    assert.deepEqual(statusOf(world).lastPushed, { path: `kv/${PATH}`, version: 2 });
    await world.advance("1m");
    const { reads, claims } = await world.counting(() => world.advance("1h"));
    assert.deepEqual([reads, claims, versions(world, PATH)], [0, 0, 2]);
  });

  it("reads Vault again every reconcile, and restores what was edited there", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aPushSecret("app", { reconcile: "1m" }));
    await world.advance("1m");
    await world.vault.putKv("kv", PATH, { theirs: "x" });
    await world.advance("2m");
    assert.deepEqual(await held(world, PATH), ONE);
    const { reads, claims } = await world.counting(() => world.advance("10m"));
    assert.ok(reads >= 9 && reads <= 14, `${reads} reads`);
    assert.equal(claims, 0);
  });

  it("counts a shorter reconcile as 30 s, with a warning", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aPushSecret("app", { reconcile: "5s" }));
    await world.advance("1m");
    assert.match(told(world), /spec\.reconcile is shorter than 30s/);
    assert.equal(conditionsOf(statusOf(world)).ReconcileInterval, "False");
  });

  it("moves to another path, and leaves nothing at the former one", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aPushSecret());
    await world.advance("1m");
    await world.edit("VaultPushSecret", "app", { spec: { destination: { path: "data/apps/shop/new" } } });
    await world.advance("1m");
    assert.deepEqual([await held(world, PATH), await held(world, "apps/shop/new")], [undefined, ONE]);
    assert.deepEqual(statusOf(world).lastPushed, { path: "kv/apps/shop/new", version: 1 });
  });

  it("pushes to kv-v1, whose data has no version", async () => {
    await using world = await aWorldOfPushSecrets();
    await world.given(aPushSecret("app", { destination: { mount: "old", path: PATH, type: "kv-v1" } }));
    await world.advance("10s");
    assert.deepEqual(await held(world, PATH, "old"), ONE);
    assert.deepEqual(statusOf(world).lastPushed, { path: `old/${PATH}` });
  });

  it("is found by poll too, where keyferry lists no Secrets", async () => {
    await using world = await aWorldOfPushSecrets({
      kinds: ["VaultPushSecret"],
      secrets: "poll",
      pollEvery: "1m",
    });
    await world.given(aPushSecret());
    await world.advance("1m");
    await world.edit("Secret", "db", { data: { password: base64("two") } });
    await world.advance("2m");
    assert.equal((await held(world, PATH))?.password, "two");
  });
});

describe("choices that fleet.yaml offers", () => {
  it("adopt and metadata are taken where they are offered, and annotated objects stay as they are", async () => {
    await using world = await aWorldOfPushSecrets({
      choices: { conflict: "adopt", deletion: "metadata", identities: [] },
      kinds: ["Deployment", "VaultPushSecret"],
    });
    await world.vault.putKv("kv", PATH, { theirs: "x" });
    await world.vault.putKv("kv", "apps/shop/other", { theirs: "x" });
    await world.given(aPushSecret("app", { conflict: "adopt", deletion: "metadata" }));
    const secrets = '[{"name":"db","keys":["user"]}]';
    await world.given(aPushed({ path: "kv/apps/shop/other", secrets }, ["db"], "other"));
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), ONE);
    assert.equal((await world.row("other", "Deployment"))?.state.error?.code, "PUSH_CONFLICT");
    await world.remove("VaultPushSecret", "app");
    await world.advance("1m");
    assert.deepEqual([await held(world, PATH), versions(world, PATH)], [undefined, 0]);
  });

  it("merge writes and removes its own fields alone", async () => {
    await using world = await aWorldOfPushSecrets({ choices: { conflict: "merge", identities: [] } });
    await world.vault.putKv("kv", PATH, { theirs: "x" });
    await world.given(aPushSecret("app", { conflict: "merge" }));
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), { theirs: "x", ...ONE });
    await world.remove("VaultPushSecret", "app");
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), { theirs: "x" });
  });

  it("after merge, others' fields stay by fail too: in writes, at a former path and in the clean-up", async () => {
    await using world = await aWorldOfPushSecrets({ choices: { conflict: "merge", identities: [] } });
    const theirs = { theirs: "x" };
    await world.vault.putKv("kv", PATH, theirs);
    await world.vault.putKv("kv", "apps/shop/moves", theirs);
    await world.given(aPushSecret("app", { conflict: "merge" }));
    const moves = { mount: "kv", path: "apps/shop/moves" };
    await world.given(aPushSecret("moves", { conflict: "merge", destination: moves }));
    await world.advance("1m");
    await world.edit("VaultPushSecret", "app", { spec: { conflict: "fail" } });
    await world.edit("VaultPushSecret", "moves", {
      spec: { conflict: "fail", destination: { path: "apps/shop/moved" } },
    });
    await world.advance("1m");
    await world.edit("Secret", "db", { data: { password: base64("two") } });
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), { ...theirs, ...ONE, password: "two" });
    assert.deepEqual(await held(world, "apps/shop/moves"), theirs);
    await world.remove("VaultPushSecret", "app");
    await world.advance("1m");
    assert.deepEqual(await held(world, PATH), theirs);
  });

  it("another login writes and removes, by the role and the policy that fleet.yaml names", async () => {
    const narrow: NamedPushIdentity = {
      ...{ name: "narrow", method: "kubernetes", mount: "kubernetes-east", role: "narrow" },
      ...{ serviceAccount: { name: "narrow" }, audiences: ["vault"] },
    };
    await using world = await aWorldOfPushSecrets({ choices: { identities: [narrow] } });
    await world.given(aPushSecret("app", { identity: "narrow" }));
    await world.advance("1m");
    assert.match(await failureOf(world), /VAULT_LOGIN_REFUSED|REFERENCE_MISSING/);
    await world.vault.write("auth/kubernetes-east/role/narrow", {
      ...{ bound_service_account_names: "narrow", bound_service_account_namespaces: "*" },
      ...{ token_policies: "push", token_ttl: "1h", audience: "vault" },
    });
    await world.given({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "narrow", namespace: "shop" } });
    await world.advance("15m");
    assert.deepEqual(await held(world, PATH), ONE);
    await world.remove("VaultPushSecret", "app");
    await world.advance("1m");
    assert.equal(await held(world, PATH), undefined);
  });
});

describe("a login that leaves fleet.yaml", () => {
  it("leaves what was pushed with it, and tells so when the VaultPushSecret goes", async () => {
    const login: NamedPushIdentity = {
      ...{ name: "other", method: "kubernetes", mount: "kubernetes-east", role: "push" },
      ...{ serviceAccount: { name: "app" }, audiences: ["vault"] },
    };
    await using world = await aWorldOfPushSecrets({ choices: { identities: [login] } });
    await world.given(aPushSecret("app", { identity: "other" }));
    await world.advance("1m");
    world.fleet((all) =>
      all.map((one) => (one.push ? { ...one, push: { ...one.push, choices: { identities: [] } } } : one)),
    );
    await world.remove("VaultPushSecret", "app");
    await world.advance("1m");
    assert.deepEqual([await held(world, PATH), await world.row("app", "VaultPushSecret")], [ONE, undefined]);
    assert.match(told(world), /stays in Vault: .*no login of that name in push\.choices\.identities/);
  });
});

describe("when a VaultPushSecret goes", () => {
  it("its version goes, without a finalizer, and someone else's stays", async () => {
    for (const data of [undefined, { theirs: "x" }]) {
      await using world = await aWorldOfPushSecrets();
      await world.given(aPushSecret());
      await world.advance("1m");
      if (data !== undefined) await world.vault.putKv("kv", PATH, data);
      await world.remove("VaultPushSecret", "app");
      assert.equal(world.resource("app", "VaultPushSecret"), undefined);
      await world.advance("1m");
      assert.deepEqual([await held(world, PATH), await world.row("app", "VaultPushSecret")], [data, undefined]);
    }
  });

  it("deletion: preserve leaves everything, also if the last version of it was not valid", async () => {
    for (const spec of [{}, { destination: { path: "../../x" } }]) {
      await using world = await aWorldOfPushSecrets();
      await world.given(aPushSecret("app", { deletion: "preserve" }));
      await world.advance("1m");
      await world.edit("VaultPushSecret", "app", { spec });
      await world.advance("1m");
      await world.remove("VaultPushSecret", "app");
      await world.advance("1m");
      assert.deepEqual([await held(world, PATH), versions(world, PATH)], [ONE, 1]);
    }
  });
});
