import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDeployment, aVaultAuth } from "./world/builders.ts";
import { aDynamicSecret, anIssuingWorld, askedOf, DYNAMIC, logsIn, writtenIn } from "./world/issuing.ts";

describe("a dynamic secret", () => {
  it("is a credential that logs in, with one lease", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("5s");
    assert.equal(await logsIn(world), true);
    assert.equal(world.vault.liveLeases().length, 1);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
  });

  it("costs two requests to Vault and four writes to the table", async () => {
    await using world = await anIssuingWorld();
    // The first one also asks once for this identity what its tokens may do.
    await world.given(aDynamicSecret("first"));
    await world.advance("30s");
    let written = {};
    const asked = await askedOf(world, async () => {
      written = await writtenIn(world, async () => {
        await world.given(aDynamicSecret());
        await world.advance("2s");
      });
    });
    const issuing = Object.entries(asked).filter(([name]) => !name.includes("renew"));
    assert.deepEqual(
      issuing.map(([, times]) => times),
      [1, 1],
      JSON.stringify(asked),
    );
    assert.deepEqual(written, { claim: 1, record: 2, settle: 1, declare: 1 });
  });

  it("is renewed by at most two requests, without a call to the cluster and without a write", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("30s");
    const first = world.secret("db")?.data;
    let costs: object = {};
    const written = await writtenIn(world, async () => {
      costs = await world.counting(() => world.advance("10m"));
    });
    assert.deepEqual(written, {});
    assert.deepEqual(costs, { requests: 0, claims: 0, settles: 0, logins: 0, reads: 0 });
    assert.deepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
  });

  it("is issued anew when Vault has ended it, and when it renews it no longer", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "60s", maxTtl: "5m" });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const first = world.secret("db")?.data.username;
    const [lease] = world.vault.liveLeases();
    await world.vault.write("sys/leases/revoke", { lease_id: lease?.id });
    await world.advance("40s");
    const second = world.secret("db")?.data.username;
    assert.notEqual(second, first);
    for (let minute = 0; minute < 12; minute++) {
      await world.advance("1m");
      assert.equal(await logsIn(world), true, `minute ${minute}`);
    }
    assert.notEqual(world.secret("db")?.data.username, second);
    assert.ok(world.vault.liveLeases().length <= 3);
  });

  it("labels, annotations, targets and the renewal's share issue nothing; the request, the type and a wish do", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("other", { defaultTtl: "60s", maxTtl: "24h" });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    let present = world.secret("db")?.data.username;
    const kept = {
      destination: { labels: { a: "b" }, annotations: { c: "d" } },
      renewalPercent: 30,
      annotations: { e: "f" },
    };
    await world.given(aDynamicSecret("db", { ...kept, rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] }));
    await world.advance("30s");
    assert.equal(world.secret("db")?.data.username, present);
    assert.equal(world.secret("db")?.labels.a, "b");
    for (const change of [
      { path: "creds/other" },
      { path: "creds/other", destination: { type: "example.com/db" } },
      { path: "creds/other", destination: { type: "example.com/db" }, annotations: { "keyferry.dev/refresh": "1" } },
    ]) {
      await world.given(aDynamicSecret("db", change));
      await world.advance("30s");
      assert.notEqual(world.secret("db")?.data.username, present, JSON.stringify(change));
      assert.equal(await logsIn(world), true);
      present = world.secret("db")?.data.username;
    }
  });

  it("lease-table 27: an edit of its VaultAuth that changes no login, a sweep of tokens and a stop end nothing", async () => {
    await using world = await anIssuingWorld();
    await world.given(aVaultAuth("mine"), aDynamicSecret("db", { vaultAuthRef: "mine" }));
    await world.advance("10s");
    const first = world.secret("db")?.data;
    await world.edit("VaultAuth", "mine", { metadata: { labels: { a: "b" } } });
    await world.advance("20m");
    world.crash();
    world.start();
    await world.advance("2m");
    assert.deepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
    assert.equal(world.vault.liveLeases().length, 1);
  });

  it("drift of data issues anew, drift of metadata and foreign keys is mended without", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret("db", { destination: { labels: { a: "b" } } }));
    await world.advance("10s");
    const first = world.secret("db")?.data.username;
    await world.edit("Secret", "db", { metadata: { labels: { a: "changed" } }, data: { foreign: "eA==" } });
    await world.advance("30s");
    assert.equal(world.secret("db")?.labels.a, "b");
    assert.equal(world.secret("db")?.data.foreign, undefined);
    assert.equal(world.secret("db")?.data.username, first);
    await world.edit("Secret", "db", { data: { password: "eA==" } });
    await world.advance("30s");
    assert.notEqual(world.secret("db")?.data.username, first);
    assert.equal(await logsIn(world), true);
  });

  it("ends when its declaration goes, also the credentials that were replaced", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("10s");
    await world.given(aDynamicSecret("db", { annotations: { "keyferry.dev/refresh": "1" } }));
    await world.advance("10s");
    assert.equal(world.vault.liveLeases().length, 2);
    await world.remove(DYNAMIC, "db");
    await world.advance("10s");
    assert.equal(world.vault.liveLeases().length, 0);
    assert.equal(world.secret("db"), undefined);
    assert.equal(await world.row("db", DYNAMIC), undefined);
  });

  it("a replaced one ends by itself without targets, and after all targets run with its successor", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDeployment("app"), aDynamicSecret("plain"));
    await world.given(aDynamicSecret("db", { rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] }));
    await world.advance("10s");
    for (const name of ["plain", "db"]) {
      await world.edit(DYNAMIC, name, { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
    }
    await world.advance("10s");
    assert.equal(world.vault.liveLeases().length, 4);
    await world.advance("20m");
    assert.equal(world.vault.liveLeases().length, 2);
    for (const name of ["plain", "db"]) assert.equal(await logsIn(world, name), true);
  });

  for (const [grace, withinMs] of [
    [300, [300_000, 340_000]],
    [7 * 24 * 3_600, [560_000, 620_000]],
  ] as const) {
    it(`a replaced one is not revoked while pods with a grace period of ${grace} s may still end, and never held for days`, async () => {
      await using world = await anIssuingWorld();
      await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "24h" });
      await world.given(aDeployment("app"));
      const template = { spec: { terminationGracePeriodSeconds: grace } };
      await world.edit("Deployment", "app", { spec: { template } });
      await world.given(aDynamicSecret("db", { rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] }));
      await world.advance("10s");
      await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
      while (!world.log.some(({ event }) => event === "rollout-restarted")) await world.advance("1s");
      const restartedAt = world.time.now();
      while (world.vault.liveLeases().length > 1) await world.advance("5s");
      const [atLeast, atMost] = withinMs;
      const took = world.time.now() - restartedAt;
      assert.ok(took >= atLeast && took <= atMost, `${took} ms`);
      assert.equal(await logsIn(world, "db"), true);
    });
  }

  it("revoke-replaced decides when a replaced one ends", async () => {
    await using world = await anIssuingWorld();
    const annotations = { "keyferry.dev/revoke-replaced": "5s" };
    await world.given(aDynamicSecret("db", { annotations }));
    await world.advance("10s");
    await world.given(aDynamicSecret("db", { annotations: { ...annotations, "keyferry.dev/refresh": "1" } }));
    await world.advance("3s");
    assert.equal(world.vault.liveLeases().length, 2);
    await world.advance("8s");
    assert.equal(world.vault.liveLeases().length, 1);
  });

  it("an annotation that means nothing is told, and has no effect", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret("db", { annotations: { "keyferry.dev/revoke-replaced": "soon" } }));
    await world.advance("10s");
    assert.match(world.condition("db", "RevokeReplaced", DYNAMIC), /^False: annotation .* must be a duration/);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
    await world.given(aDynamicSecret("db", { annotations: { "keyferry.dev/revoke-replaced": "5s" } }));
    await world.advance("10s");
    assert.equal(world.condition("db", "RevokeReplaced", DYNAMIC), "none");
  });

  it("what leaves the fleet is renewed for the retention, then revoked", async () => {
    await using world = await anIssuingWorld({ clusters: [{}, { name: "west" }] });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const { username = "", password = "" } = world.secret("db")?.data ?? {};
    world.crash();
    world.fleet((clusters) => clusters.filter(({ name }) => name === "west"));
    world.start();
    await world.advance("1h");
    assert.equal(await world.vault.login(username, password), true);
    await world.advance("24h");
    assert.equal(world.vault.liveLeases().length, 0);
  });

  it("an outage that outlasts the lease: the Secret stays, people are told in time, and another one follows", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("30s");
    const first = world.secret("db")?.data;
    world.vault.fail("refused");
    await world.advance("50s");
    assert.match(world.condition("db", "CredentialRenewed", DYNAMIC), /^False: Vault does not renew/);
    assert.ok(world.events("db").some(({ reason }) => reason === "LeaseAtRisk"));
    await world.advance("5m");
    assert.deepEqual(world.secret("db")?.data, first);
    world.vault.fail(undefined);
    await world.advance("2m");
    assert.notDeepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
    assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
  });

  it("an outage that is shorter costs nothing: what was told is taken back", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "24h" });
    await world.given(aDynamicSecret());
    await world.advance("30s");
    const first = world.secret("db")?.data;
    world.vault.fail("silent");
    await world.advance("7m");
    world.vault.fail(undefined);
    await world.advance("5m");
    assert.deepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
    assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
  });

  it("lease-table 27: a token whose request was not answered is revoked only when that has surely ended", async () => {
    await using world = await anIssuingWorld();
    // Longer than the test, so that only its token's end ends it.
    await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "24h" });
    let swallowed = 0;
    world.vault.meddle(({ path }) =>
      path === "database/creds/app" && swallowed++ === 0 ? { answer: "swallowed" } : {},
    );
    await world.given(aDynamicSecret());
    await world.advance("30s");
    assert.equal(await logsIn(world), true, "another one was asked for");
    assert.equal(world.vault.liveLeases().length, 2, "the first one was made");
    await world.advance("90s");
    assert.ok((await world.row("db", DYNAMIC))?.state.issues?.some(({ state }) => state === "ending"));
    assert.equal(world.vault.liveLeases().length, 2, "its token is not revoked yet");
    await world.advance("2m");
    assert.equal(world.vault.liveLeases().length, 1);
    assert.equal((await world.row("db", DYNAMIC))?.state.issues?.length, 1);
    assert.equal(await logsIn(world), true);
  });

  it("six issues within ten minutes are enough: then it is parked, and says why", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret("db", { annotations: { "keyferry.dev/revoke-replaced": "0s" } }));
    await world.advance("10s");
    for (let times = 0; times < 8; times++) {
      await world.edit("Secret", "db", { data: { password: "eA==" } });
      await world.advance("20s");
    }
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: ISSUES_TOO_FREQUENT/);
    assert.ok(world.vault.liveLeases().length <= 2);
  });

  it("a refused write is not paid for with another credential each time", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const costs = await askedOf(world, async () => {
      await world.edit("Secret", "db", { immutable: true });
      await world.edit(DYNAMIC, "db", { metadata: { annotations: { "keyferry.dev/refresh": "1" } } });
      await world.advance("10m");
    });
    assert.match(world.condition("db", "Ready", DYNAMIC), /^False: SECRET_IMMUTABLE/);
    assert.equal(Object.keys(costs).filter((name) => name.includes("creds")).length, 0, JSON.stringify(costs));
    assert.equal(await logsIn(world), true);
  });
});

describe("a static role", () => {
  it("is read by the shared token, and follows each rotation within seconds", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putStaticRole("fixed", { rotationPeriod: "60s" });
    await world.given(aDynamicSecret("db", { path: "static-creds/fixed", allowStaticCreds: true }));
    await world.advance("10s");
    for (let minute = 0; minute < 5; minute++) {
      await world.advance("67s");
      assert.equal(await logsIn(world), true, `minute ${minute}`);
    }
    assert.equal(world.vault.liveLeases().length, 0);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
  });
});
