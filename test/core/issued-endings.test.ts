import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDeployment, aVaultAuth } from "./world/builders.ts";
import { aDynamicSecret, anIssuingWorld, aPkiSecret, DYNAMIC, logsIn } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

const STATIC = { path: "static-creds/fixed", allowStaticCreds: true };
const TARGETS = { rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] };
const PKI = "VaultPKISecret";

async function withStaticRole(): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putStaticRole("fixed", { rotationPeriod: "60s" });
  return world;
}

const patches = (world: World): number =>
  world
    .cluster()
    .server.objects.all()
    .filter(({ object }) => object.kind === "Secret")
    .reduce((sum, { object }) => sum + Number(object.metadata.resourceVersion), 0);

describe("what an issued credential leaves behind", () => {
  it("a request whose predecessor had no lease is asked with a login of its own", async () => {
    await using world = await withStaticRole();
    await world.given(aDynamicSecret("db", STATIC));
    await world.advance("10s");
    await world.given(aDynamicSecret("db", { allowStaticCreds: true }));
    await world.advance("10s");
    assert.equal(world.secret("db")?.data.username, "v-app-1");
    assert.equal(world.vault.liveLeases().length, 1);
    assert.ok(!world.log.some(({ event }) => event === "sync-failed" || event === "issue-not-ended"));
    await world.remove(DYNAMIC, "db");
    await world.advance("10s");
    assert.equal(world.vault.liveLeases().length, 0);
  });

  it("a leased credential ends although its successor has no lease", async () => {
    await using world = await withStaticRole();
    await world.given(aDynamicSecret("db"));
    await world.advance("10s");
    await world.given(aDynamicSecret("db", STATIC));
    await world.advance("5m");
    assert.equal(await logsIn(world), true);
    assert.equal(world.vault.liveLeases().length, 0);
    assert.equal((await world.row("db", DYNAMIC))?.state.issues, undefined);
  });

  it("a deletion that is due at the very time of an ending is carried out", async () => {
    await using world = await anIssuingWorld();
    const annotations = { "keyferry.dev/revoke-replaced": "5s" };
    await world.given(aDynamicSecret("db", { annotations }));
    await world.advance("10s");
    await world.given(aDynamicSecret("db", { annotations: { ...annotations, "keyferry.dev/refresh": "1" } }));
    await world.advance("2s");
    await world.remove(DYNAMIC, "db");
    await world.advance("30s");
    assert.equal(world.vault.liveLeases().length, 0);
    assert.equal(world.secret("db"), undefined);
  });

  it("a changed VaultAuth that comes shortly before the time of an ending is followed", async () => {
    await using world = await anIssuingWorld();
    const annotations = { "keyferry.dev/revoke-replaced": "1s" };
    await world.given(aVaultAuth("team"), aDynamicSecret("db", { annotations, vaultAuthRef: "team" }));
    await world.advance("10s");
    await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    const isEnding = async () =>
      (await world.row("db", DYNAMIC))?.state.issues?.some(({ state }) => state === "ending");
    while (!(await isEnding())) await world.advance("100ms");
    await world.given(aVaultAuth("team", { kubernetes: { role: "none", serviceAccount: "app" } }));
    await world.advance("10s");
    assert.equal(world.vault.liveLeases().length, 1);
    assert.match(world.condition("db", "Ready", DYNAMIC), /VAULT_LOGIN_REFUSED/);
  });

  it("what was written to a destination that was renamed after a crash ends like any that is replaced", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "24h" });
    const doomed = world.start({
      effect: async (name, work) => {
        const done = await work();
        if (name === "patch secrets") doomed.crash();
        return done;
      },
    });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const { username = "", password = "" } = world.secret("db")?.data ?? {};
    assert.ok(username);
    await world.given(aDynamicSecret("db", { destination: { name: "renamed" } }));
    world.start();
    await world.advance("3m");
    assert.notEqual(world.secret("renamed")?.data.username, username);
    assert.equal(world.secret("db"), undefined);
    assert.equal(await world.vault.login(username, password), true, "it was in use, and somebody may have it still");
    await world.advance("10m");
    assert.equal(await world.vault.login(username, password), false);
  });

  it("what was deleted while its cluster was out of reach ends when the cluster leaves the fleet", async () => {
    await using world = await anIssuingWorld({ clusters: [{}, { name: "west" }] });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    await world.remove(DYNAMIC, "db");
    await world.advance("1s");
    world.cluster().fail("refused");
    await world.advance("30s");
    world.crash();
    world.fleet((clusters) => clusters.filter(({ name }) => name === "west"));
    world.start();
    await world.advance("1m");
    assert.equal(world.vault.liveLeases().length, 0);
    assert.deepEqual(await world.store.retired(), []);
  });

  it("lease-table 28: a request that was under way when its cluster left the fleet is ended when it has surely been answered", async () => {
    await using world = await anIssuingWorld({ clusters: [{}, { name: "west" }] });
    await world.vault.putDatabaseRole("app", { defaultTtl: "1h", maxTtl: "24h", creationSeconds: 4 });
    // Its connection stays open when keyferry dies.
    world.vault.keepsGoing = true;
    await world.given(aDynamicSecret());
    await world.advance("2s");
    world.crash();
    world.fleet((clusters) => clusters.filter(({ name }) => name === "west"));
    world.start();
    await world.advance("10s");
    assert.equal(world.vault.liveLeases().length, 1);
    await world.advance("5m");
    assert.equal(world.vault.liveLeases().length, 0);
    assert.deepEqual(await world.store.retired(), []);
  });
});

describe("a static role", () => {
  it("is written once for each rotation, and its workloads are restarted", async () => {
    await using world = await withStaticRole();
    await world.given(aDeployment("app"), aDynamicSecret("db", { ...STATIC, ...TARGETS }));
    await world.advance("20s");
    const before = patches(world);
    const { audit } = world.vault.server;
    const reads = () => audit.get("read database/static-creds/fixed") ?? 0;
    const readsBefore = reads();
    await world.advance("5m");
    assert.ok(patches(world) > before);
    const written = world.log.filter(({ event }) => event === "secret-written").length;
    assert.ok(written <= 8, `${written} writes`);
    assert.ok(reads() - readsBefore <= 60, `${reads() - readsBefore} reads`);
    assert.ok(world.log.filter(({ event }) => event === "rollout-restarted").length >= 3);
  });
});

describe("a certificate", () => {
  it("is issued although its first write was refused, when that is mended", async () => {
    await using world = await anIssuingWorld();
    await world.given({ apiVersion: "v1", kind: "Secret", metadata: { name: "web", namespace: "shop" }, data: {} });
    await world.given(aPkiSecret());
    await world.advance("30s");
    assert.match(world.condition("web", "Ready", PKI), /^False/);
    await world.remove("Secret", "web");
    await world.advance("10m");
    assert.match(world.condition("web", "Ready", PKI), /^True/);
  });
});
