import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { effectsOf } from "../../lib/audit/effects.ts";
import { aLine } from "./world/audit.ts";
import { aDynamicSecret, aStaticSecret, aVaultSecret, VAULT } from "./world/builders.ts";
import { aQuietWorld, forever, password, SLOW } from "./world/quiet.ts";
import { aWorld } from "./world/world.ts";

describe("a sweep", () => {
  it("looks at every sync of the Vault once, spread over a minute, and writes nothing where nothing changed", async () => {
    const names = Array.from({ length: 30 }, (_, at) => `s${at}`);
    await using world = await aWorld();
    await world.given(...names.flatMap((name) => [aVaultSecret(name), aStaticSecret(name, { path: name, ...SLOW })]));
    await world.advance("30s");
    const first = await world.counting(async () => {
      await world.tells({ kind: "sweep" });
      await world.advance("20s");
    });
    assert.ok(first.reads > 0 && first.reads < 30, `${first.reads} of 30 in a third of the time`);
    const rest = await world.counting(() => world.advance("45s"));
    assert.deepEqual(rest, { requests: 0, claims: 0, settles: 0, logins: 0, reads: 30 - first.reads });
  });

  it("for a revoked lease that the line hides looks at rows with leases alone", async () => {
    await using world = await aQuietWorld();
    await world.vault.putDatabaseRole("role");
    await world.given(aDynamicSecret("role", { path: "creds/role" }));
    await world.advance("10s");
    const before = world.secret("role")?.data.username;
    const [lease] = world.vault.liveLeases("database/creds/role");
    await world.vault.write("sys/leases/revoke", { lease_id: lease?.id });
    const { reads } = await world.counting(async () => {
      await world.tells({ kind: "sweep", lease: true });
      await world.advance("70s");
    });
    assert.equal(reads, 0);
    assert.notEqual(world.secret("role")?.data.username, before);
    await world.tells({ kind: "sweep", lease: true }, { kind: "sweep" });
    assert.equal((await world.counting(() => world.advance("70s"))).reads, 1);
  });

  it("finds the credentials that ended with their tokens, which somebody revoked", async () => {
    await using world = await aWorld();
    await world.vault.putDatabaseRole("role", { defaultTtl: "24h" });
    await world.given(aDynamicSecret("role", { path: "creds/role" }));
    await world.advance("10s");
    const before = world.secret("role")?.data.username;
    const [lease] = world.vault.liveLeases("database/creds/role");
    await world.vault.write("auth/token/revoke-accessor", { accessor: lease?.token?.accessor });
    const path = "auth/token/revoke-accessor";
    const mount = { path: "auth/token", type: "token", below: "revoke-accessor" };
    const line = { id: "r-1", time: "", change: "update", namespace: "", namespaceId: "root", path, mount } as const;
    await world.tells(...effectsOf(line));
    await world.advance("90s");
    assert.notEqual(world.secret("role")?.data.username, before);
    assert.equal(world.vault.liveLeases("database/creds/role").length, 1);
  });

  it("of leases costs ever less where tokens are revoked all day, and still finds what ends", async () => {
    await using world = await aWorld();
    await world.vault.putDatabaseRole("role", { defaultTtl: "24h" });
    await world.given(aDynamicSecret("role", { path: "creds/role" }));
    await world.advance("10s");
    const asked = () => world.vault.server.audit.get("update sys/leases/lookup") ?? 0;
    const revokedFor = async (minutes: number) => {
      for (let at = 0; at < minutes * 2; at++) {
        await world.tells({ kind: "sweep", lease: true });
        await world.advance("30s");
      }
    };
    const before = asked();
    await revokedFor(8);
    // After 0, 1, 3 and 7 minutes.
    assert.equal(asked() - before, 4);
    const dead = world.secret("role")?.data.username;
    const lease = world.vault.liveLeases("database/creds/role").at(-1);
    await world.vault.write("auth/token/revoke-accessor", { accessor: lease?.token?.accessor });
    await revokedFor(1);
    await world.advance("8m");
    assert.notEqual(world.secret("role")?.data.username, dead);
  });

  it("is done at most once a minute, by however many processes it is asked for", async () => {
    await using world = await aQuietWorld();
    const other = world.start({ isIdle: true }).inlet(VAULT);
    const { reads } = await world.counting(async () => {
      for (let at = 0; at < 30; at++) {
        await Promise.all([world.tells({ kind: "sweep" }), other.take([aLine({ kind: "sweep" })], forever)]);
        await world.advance("1s");
      }
      await world.advance("130s");
    });
    assert.equal(reads, 2);
  });

  it("stands in for an event of a mount with many syncs, so that these do not all come at once", async () => {
    const names = Array.from({ length: 510 }, (_, at) => `s${at}`);
    await using world = await aWorld();
    await world.given(aVaultSecret(), ...names.map((name) => aStaticSecret(name, { path: "db", ...SLOW })));
    await world.advance("30s");
    await world.tells({ kind: "prefix", prefix: "kv", endsWith: "none" });
    await world.advance("1s");
    assert.equal(world.metrics.counts.get("keyferry_event_sweeps_total"), undefined);
    await world.tells({ kind: "prefix", prefix: "kv" });
    assert.equal(world.metrics.counts.get("keyferry_event_sweeps_total"), 1);
    assert.equal(world.metrics.counts.get("keyferry_event_nudges_total"), undefined);
  });

  it("finds what a lost line did not tell, also where nothing refreshes, and a lease that is gone", async () => {
    await using world = await aQuietWorld();
    await world.vault.putDatabaseRole("role");
    await world.given(
      aStaticSecret("parked", { path: "db", refreshAfter: "0s", hmacSecretData: false }),
      aDynamicSecret("role", { path: "creds/role" }),
    );
    await world.advance("10s");
    const before = world.secret("role")?.data.username;
    const [lease] = world.vault.liveLeases("database/creds/role");
    await world.vault.write("sys/leases/revoke", { lease_id: lease?.id });
    await world.vault.putKv("kv", "db", { password: "two" });
    await world.start().inlet(VAULT).missed("reconnected", forever);
    await world.advance("301s");
    assert.deepEqual([password(world), password(world, "parked")], ["two", "two"]);
    assert.notEqual(world.secret("role")?.data.username, before);
    assert.equal(world.metrics.counts.get("keyferry_event_sweeps_total"), 1);
  });

  it("looks at no others where events of some syncs alone may be missing, and plans no sweep", async () => {
    await using world = await aQuietWorld();
    await world.given(aStaticSecret("other", { path: "db", ...SLOW }));
    await world.advance("10s");
    await world.vault.putKv("kv", "db", { password: "two" });
    await world.start().inlet(VAULT).missed("reconnected", forever, [world.key()]);
    await world.advance("301s");
    assert.deepEqual([password(world), password(world, "other")], ["two", "one"]);
    assert.equal(world.metrics.counts.get("keyferry_event_sweeps_total"), undefined);
  });
});

describe("a Vault that gets a name in fleet.yaml, or another one", () => {
  it("has its rows placed anew, also those that nothing refreshes: events of the new name find them", async () => {
    const named = (name: string) => [{ name, addresses: [VAULT], identities: [] }];
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "0s", hmacSecretData: false }));
    await world.advance("10s");
    for (const name of ["main", "other"]) {
      world.crash();
      world.fleet((clusters) => clusters.map((cluster) => ({ ...cluster, vaults: named(name) })));
      world.start();
      // The dead process still has the cluster for a while.
      await world.advance("3m");
      const { items } = await world.store.byPlace(name, { path: "kv/db" });
      assert.deepEqual(
        items.map(({ key }) => key),
        [world.key()],
      );
    }
    assert.deepEqual((await world.store.byPlace(VAULT, { prefix: "" })).items, []);
    const costs = await world.counting(() => world.advance("5m"));
    assert.deepEqual([costs.reads, costs.claims], [0, 0]);
  });
});

describe("a change of rights", () => {
  it("has tokens of that login asked about themselves before their next use, and no others", async () => {
    await using world = await aQuietWorld();
    const asked = () => world.vault.server.audit.get("read auth/token/lookup-self") ?? 0;
    const before = asked();
    await world.tells({ kind: "tokens", mount: "auth/kubernetes-west" });
    await world.vaultWrites("db", { password: "two" });
    await world.advance("5s");
    assert.equal(asked(), before);
    await world.tells({ kind: "tokens", mount: "auth/kubernetes-east" });
    for (const value of ["three", "four"]) {
      await world.vaultWrites("db", { password: value });
      await world.advance("5s");
      assert.equal(password(world), value);
    }
    assert.equal(asked(), before + 1);
  });

  it("that goes on and on wakes them no more often than they check by themselves", async () => {
    await using world = await aQuietWorld();
    const looks = () =>
      world.queue.sent.filter((message) => message.kind === "look-up" && message.look.kind === "denied").length;
    for (let at = 0; at < 600; at++) {
      await world.tells({ kind: "tokens", mount: "auth/approle" });
      await world.advance("1s");
    }
    // At once, after 10 s, 20 s, 40 s, 80 s, 160 s and 240 s.
    assert.ok(looks() <= 8, `${looks()} in ten minutes`);
    await world.advance("10m");
    const before = looks();
    await world.tells({ kind: "tokens" });
    assert.deepEqual([looks(), world.queue.sent.at(-1)?.at], [before + 1, world.time.now()]);
  });

  it("wakes the syncs that were denied something, and only these", async () => {
    await using world = await aQuietWorld();
    await world.given(aVaultSecret("closed/a"), aStaticSecret("denied", { path: "closed/a", ...SLOW }));
    await world.advance("120s");
    assert.match(world.condition("denied"), /^False: VAULT_DENIED/);
    await world.vault.writePolicy("app", 'path "kv/*" { capabilities = ["read"] }');
    const before = world.reads("db");
    await world.tells({ kind: "tokens" });
    await world.advance("5s");
    assert.match(world.condition("denied"), /^True/);
    assert.equal(world.reads("db"), before);
  });
});
