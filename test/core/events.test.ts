import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import type { Taken } from "../../lib/ports/inlet.ts";
import { aLine } from "./world/audit.ts";
import { aDynamicSecret, aStaticSecret, aVaultSecret, VAULT } from "./world/builders.ts";
import type { Effect } from "./world/effects.ts";
import { anIssuingWorld, aPkiSecret, statusOf } from "./world/issuing.ts";
import type { Transit } from "./world/queue.ts";
import { aWorld, type World } from "./world/world.ts";

const forever = new AbortController().signal;
const SLOW = { refreshAfter: "240h" };

/** A world with a sync of `kv/db` that hardly ever reads by itself. */
async function aQuietWorld(...names: readonly string[]): Promise<World> {
  const world = await aWorld();
  const syncs = (names.length === 0 ? ["db"] : names).map((name) => aStaticSecret(name, { path: "db", ...SLOW }));
  await world.given(aVaultSecret(), ...syncs);
  await world.advance("10s");
  return world;
}

const password = (world: World, name = "db"): string | undefined => world.secret(name)?.data.password;

describe("an event of a write in Vault", () => {
  it("is in the Secret within a second, long before refreshAfter", async () => {
    await using world = await aQuietWorld();
    const { told } = await world.vaultWrites("db", { password: "two" });
    await world.advance("1s");
    assert.equal(password(world), "two");
    assert.deepEqual(await told, { lines: 1, bad: 0, nudged: 1 });
  });

  it("is acknowledged when the nudge stands in its row, and not before", async () => {
    await using world = await aQuietWorld();
    await world.vault.putKv("kv", "db", { password: "two" });
    await world.tells({ kind: "path", path: "kv/db", version: 2 });
    const row = await world.row();
    assert.deepEqual(row?.expect?.version, 2);
    assert.ok((row?.dueAt ?? Number.POSITIVE_INFINITY) <= world.time.now());
  });

  it("concerns no other path, mount or Vault", async () => {
    await using world = await aQuietWorld();
    const { reads } = await world.counting(async () => {
      await world.tells(
        { kind: "path", path: "kv/d", version: 9 },
        { kind: "path", path: "kv/db/more", version: 9 },
        { kind: "path", path: "ns1/kv/db", version: 9 },
        { kind: "prefix", prefix: "kv/d" },
        { kind: "prefix", prefix: "k" },
        { kind: "prefix", prefix: "kv", endsWith: "b" },
      );
      await world
        .start({ isIdle: true })
        .inlet("other")
        .take([aLine({ kind: "path", path: "kv/db" })], forever);
      await world.advance("5s");
    });
    assert.equal(reads, 0);
  });

  it("costs one read for all syncs of the path", async () => {
    await using world = await aQuietWorld("a", "b", "c", "d");
    const costs = await world.counting(async () => {
      await world.vaultWrites("db", { password: "two" });
      await world.advance("1s");
    });
    assert.deepEqual(
      ["a", "b", "c", "d"].map((name) => password(world, name)),
      ["two", "two", "two", "two"],
    );
    assert.equal(costs.reads, 1);
  });

  it("comes 10,000 times in a second for at most two reads, and two writes in 100 ms", async () => {
    await using world = await aQuietWorld();
    const before = world.store.counts();
    const takes: Promise<Taken>[] = [];
    const { reads } = await world.counting(async () => {
      for (let part = 0; part < 100; part++) {
        for (let at = 0; at < 100; at++)
          takes.push((await world.vaultWrites("db", { password: `p${part}-${at}` })).told);
        await world.advance("10ms");
      }
      await world.advance("5s");
    });
    await Promise.all(takes);
    assert.equal(password(world), "p99-99");
    const nudges = (world.store.counts().nudge ?? 0) - (before.nudge ?? 0);
    assert.ok(reads <= 2, `${reads} reads`);
    assert.ok(nudges <= 20, `${nudges} nudges in 10 windows`);
  });

  it("loses nothing when its messages are lost, come late or twice", async () => {
    let transit: Transit = "plain";
    await using world = await aWorld({ transit: () => transit });
    await world.given(aVaultSecret(), aStaticSecret("db", SLOW));
    await world.advance("10s");
    for (const [at, fate] of (["lost", "twice", { lateMs: 7_000 }] as const).entries()) {
      transit = fate;
      await world.vaultWrites("db", { password: `p${at}` });
      await world.advance("100ms");
      transit = "plain";
      await world.advance("10s");
      assert.equal(password(world), `p${at}`, JSON.stringify(fate));
    }
  });

  it("is not lost with the process that acknowledged it", async () => {
    await using world = await aQuietWorld();
    await world.vault.putKv("kv", "db", { password: "two" });
    await world
      .start({ isIdle: true })
      .inlet(VAULT)
      .take([aLine({ kind: "path", path: "kv/db", version: 2 })], forever);
    world.crash();
    world.start();
    await world.advance("5s");
    assert.equal(password(world), "two");
  });

  it("is not acknowledged while the table or the queue does not answer; told again, it does no harm", async () => {
    await using world = await aQuietWorld();
    await world.vault.putKv("kv", "db", { password: "two" });
    for (const broken of ["store byPlace", "store nudgeAll", "queue send"]) {
      const effect: Effect = async (name, work) => {
        if (name === broken) throw new SyncError("STORE_UNAVAILABLE", "it is away");
        return work();
      };
      const inlet = world.start({ effect, isIdle: true }).inlet(VAULT);
      await assert.rejects(inlet.take([aLine({ kind: "path", path: "kv/db", version: 2 })], forever), broken);
    }
    world.start({ isIdle: true });
    await world.tells({ kind: "path", path: "kv/db", version: 2 });
    await world.advance("5s");
    assert.equal(password(world), "two");
  });

  it("that is no line is counted, and ends nothing", async () => {
    await using world = await aQuietWorld();
    await world.vault.putKv("kv", "db", { password: "two" });
    const inlet = world.start({ isIdle: true }).inlet(VAULT);
    const lines = ["{half a li", "", aLine({ kind: "path", path: "kv/db", version: 2 }), "null", "{}"];
    assert.deepEqual(await inlet.take(lines, forever), { lines: 5, bad: 3, nudged: 1 });
    await world.advance("1s");
    assert.equal(password(world), "two");
  });

  it("is measured from Vault's line to the Secret", async () => {
    await using world = await aQuietWorld();
    await world.vaultWrites("db", { password: "two" });
    await world.advance("1s");
    const [seconds = Number.NaN] = world.metrics.seconds.get("keyferry_propagation_seconds") ?? [];
    assert.ok(seconds >= 0 && seconds <= 1, `${seconds} s`);
  });

  it("of many syncs runs each of them once, though a message can't name them all", async () => {
    const names = Array.from({ length: 150 }, (_, at) => `s${at}`);
    await using world = await aQuietWorld(...names);
    await world.vaultWrites("db", { password: "two" });
    await world.advance("5s");
    assert.ok(names.every((name) => password(world, name) === "two"));
    // They were settled since, so the second look-up can't tell them from late ones: this costs one read more.
    const { reads } = await world.counting(() => world.advance("70s"));
    assert.ok(reads <= 6, `${reads} reads for 150 syncs in batches of 25`);
  });

  it("is looked up again after a minute: a sync that was not found yet gets it, and no other one runs twice", async () => {
    await using world = await aQuietWorld();
    await world.vaultWrites("db", { password: "two" });
    await world.advance("1s");
    // It read before the write, and joins the index of places only now.
    const { reads } = await world.counting(() => world.advance("70s"));
    assert.equal(reads, 0);
    await world.vaultWrites("db", { password: "three" });
    await world.given(aStaticSecret("late", { path: "db", refreshAfter: "240h" }));
    await world.advance("10s");
    const late = await world.counting(() => world.advance("60s"));
    assert.equal(late.reads, 1);
  });
});

describe("a node of Vault that lags", () => {
  it("is asked again until it has the version of the event", async () => {
    await using world = await aQuietWorld();
    const kv = world.vault.server.kv("kv");
    kv?.lag("db", 1);
    world.time.after(800, () => kv?.lag("db", 0));
    await world.vaultWrites("db", { password: "two" });
    await world.advance("500ms");
    assert.equal(password(world), "one");
    await world.advance("2s");
    assert.equal(password(world), "two");
    assert.match(world.condition("db"), /^True/);
  });

  it("that lags for longer is told of, and believed after 30 s", async () => {
    await using world = await aQuietWorld();
    const kv = world.vault.server.kv("kv");
    kv?.lag("db", 1);
    await world.vaultWrites("db", { password: "two" });
    await world.advance("10s");
    assert.match(world.condition("db"), /^False: REPLICA_BEHIND: version 2 of kv\/db was written/);
    assert.ok(world.events("db").some(({ message }) => message.startsWith("REPLICA_BEHIND")));
    kv?.lag("db", 0);
    await world.advance("30s");
    assert.equal(password(world), "two");
    assert.match(world.condition("db"), /^True/);
  });

  it("is not suspected where the version of the event was deleted at once", async () => {
    await using world = await aQuietWorld();
    await world.vault.putKv("kv", "db", { password: "two" });
    await world.vault.remove("kv/data/db");
    const before = world.vault.server.audit.get("read kv/data/db") ?? 0;
    await world.tells({ kind: "path", path: "kv/db", version: 2 }, { kind: "path", path: "kv/db" });
    await world.advance("10s");
    assert.match(world.condition("db"), /^False: VAULT_PATH_MISSING: .*deleted version/);
    assert.equal(Number(world.vault.server.audit.get("read kv/data/db")) - before, 1);
  });

  it("is suspected where an older version is the deleted one", async () => {
    await using world = await aQuietWorld();
    await world.vault.remove("kv/data/db");
    world.vault.server.kv("kv")?.lag("db", 1);
    await world.vaultWrites("db", { password: "two" });
    await world.advance("10s");
    assert.match(world.condition("db"), /^False: REPLICA_BEHIND: .* has version 1 there/);
  });

  it("that never gets there costs no more than a declared refresh from then on", async () => {
    await using world = await aQuietWorld();
    await world.tells({ kind: "path", path: "kv/db", version: 7 });
    await world.advance("45s");
    assert.match(world.condition("db"), /^True/);
    assert.equal((await world.counting(() => world.advance("10m"))).reads, 0);
  });

  it("has its version forgotten when the path begins anew", async () => {
    await using world = await aQuietWorld();
    for (const value of ["two", "three"]) await world.vault.putKv("kv", "db", { password: value });
    await world.vault.remove("kv/metadata/db");
    await world.vault.putKv("kv", "db", { password: "anew" });
    const told = world.tells({ kind: "path", path: "kv/db", version: 3 });
    const again = world.tells({ kind: "path", path: "kv/db", forget: true });
    const first = world.tells({ kind: "path", path: "kv/db", version: 1 });
    await world.advance("5s");
    await Promise.all([told, again, first]);
    assert.equal(password(world), "anew");
    assert.match(world.condition("db"), /^True/);
  });

  it("of a path without versions is asked once more when nothing seems to have changed", async () => {
    await using world = await aWorld();
    await world.vault.putKv("old", "app", { password: "one" });
    await world.given(aStaticSecret("app", { type: "kv-v1", mount: "old", path: "app", ...SLOW }));
    await world.advance("10s");
    const told = world.tells({ kind: "path", path: "old/app" });
    await world.advance("500ms");
    await world.vault.putKv("old", "app", { password: "two" });
    await world.advance("2s");
    assert.equal(password(world, "app"), "two");
    await told;
    const before = world.vault.server.audit.get("read old/app");
    await world.tells({ kind: "path", path: "old/app" });
    await world.advance("30s");
    assert.equal(world.vault.server.audit.get("read old/app"), Number(before) + 2);
  });
});

describe("a lease that an event names", () => {
  it("is looked up, and issued anew only if it is gone", async () => {
    await using world = await aWorld();
    await world.vault.putDatabaseRole("db");
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const [lease] = world.vault.liveLeases("database/creds/db");
    const first = world.secret("db")?.data.username;
    await world.tells({ kind: "path", path: "database/creds/db", lease: true });
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.username, first);
    await world.vault.write("sys/leases/revoke", { lease_id: lease?.id });
    await world.tells({ kind: "prefix", prefix: "database/creds", lease: true });
    await world.advance("5s");
    assert.notEqual(world.secret("db")?.data.username, first);
    assert.equal(world.vault.liveLeases("database/creds/db").length, 1);
  });
});

describe("a lease in doubt", () => {
  it("stays in doubt while Vault does not answer, also when the row was settled meanwhile", async () => {
    await using world = await aWorld();
    await world.vault.putDatabaseRole("db", { defaultTtl: "24h" });
    await world.given(aDynamicSecret());
    await world.advance("10s");
    const first = world.secret("db")?.data.username;
    const [lease] = world.vault.liveLeases("database/creds/db");
    await world.vault.write("sys/leases/revoke", { lease_id: lease?.id });
    world.vault.fail("refused");
    await world.tells({ kind: "path", path: "database/creds/db", lease: true });
    await world.advance("45s");
    assert.equal(world.secret("db")?.data.username, first);
    world.vault.fail(undefined);
    await world.advance("60s");
    assert.notEqual(world.secret("db")?.data.username, first);
    assert.equal(world.vault.liveLeases("database/creds/db").length, 1);
  });
});

describe("a certificate whose mount changed", () => {
  it("is issued anew when Vault revoked it, or has another issuer, and for nothing else", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putPkiRole("short", { ttl: "10m" });
    await world.given(aPkiSecret("web"));
    await world.advance("5s");
    const serial = (): string => String(statusOf(world, "web", "VaultPKISecret").serialNumber);
    const after = async (): Promise<string> => {
      await world.tells({ kind: "prefix", prefix: "pki" });
      await world.advance("5s");
      return serial();
    };
    const first = serial();
    assert.equal(await after(), first);
    await world.vault.write("pki/revoke", { serial_number: first });
    const second = await after();
    assert.notEqual(second, first);
    assert.equal(await after(), second);
    await world.vault.write("pki/root/generate/internal", { common_name: "another root", ttl: "8760h" });
    const third = await after();
    assert.notEqual(third, second);
    assert.equal(await after(), third);
  });

  it("stays in doubt while Vault does not tell", async () => {
    await using world = await anIssuingWorld();
    await world.given(aPkiSecret("web"));
    await world.advance("5s");
    const serial = (): string => String(statusOf(world, "web", "VaultPKISecret").serialNumber);
    const first = serial();
    await world.vault.write("pki/revoke", { serial_number: first });
    world.vault.fail("refused");
    await world.tells({ kind: "path", path: "pki/issue/web" });
    await world.advance("45s");
    assert.equal(serial(), first);
    world.vault.fail(undefined);
    await world.advance("60s");
    assert.notEqual(serial(), first);
  });
});

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
