import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import type { Taken } from "../../lib/ports/inlet.ts";
import { aLine } from "./world/audit.ts";
import { aStaticSecret, aVaultSecret, VAULT } from "./world/builders.ts";
import type { Effect } from "./world/effects.ts";
import type { Transit } from "./world/queue.ts";
import { aQuietWorld, forever, password, SLOW } from "./world/quiet.ts";
import { aWorld } from "./world/world.ts";

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

  it("is believed after half a minute, however often lines name a version that it never has", async () => {
    for (const [more, everyS] of [
      [{}, 1],
      [{ forget: true }, 1],
      [{}, 7],
      [{}, 20],
      [{}, 29],
    ] as const) {
      await using world = await aQuietWorld();
      await world.given(aStaticSecret("none", { path: "none", ...SLOW }));
      await world.vault.putKv("kv", "db", { password: "two" });
      for (let at = 0; at < 90; at++) {
        const forged = (path: string) => ({ kind: "path", path, version: 999_999, ...more }) as const;
        if (at % everyS === 0) await world.tells(forged("kv/db"), forged("kv/none"));
        if (at === 30) await world.vault.putKv("kv", "none", { password: "first" });
        await world.advance("1s");
      }
      assert.deepEqual([password(world), password(world, "none")], ["two", "first"]);
      await world.advance("2m");
      assert.match(world.condition("db"), /^True/);
    }
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
