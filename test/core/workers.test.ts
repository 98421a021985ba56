import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../lib/errors.ts";
import { aStaticSecret, aVaultAuth, aVaultSecret } from "./world/builders.ts";
import { type Effect, gateAt } from "./world/effects.ts";
import { aWorld, type World } from "./world/world.ts";

describe("a worker that dies", () => {
  for (const effect of ["vault kv-v2", "patch secrets", "patch vaultstaticsecrets/status", "store settle"]) {
    for (const side of ["before", "after"] as const) {
      it(`lease-table 3: ${side} ${effect}: the row comes back when its lease ends, and all is as it should be`, async () => {
        await using world = await aWorld({ isAsleep: true });
        const gate = gateAt(effect, side);
        const doomed = world.start({ effect: gate.effect });
        await world.given(aVaultSecret(), aStaticSecret());
        await world.advance("10s");
        assert.ok(gate.times() > 0, "it stands there");
        doomed.crash();
        world.start();
        await world.advance("4m");
        assert.equal(world.secret("db")?.data.password, "one");
        assert.match(world.condition("db"), /^True/);
        const row = await world.row();
        assert.deepEqual([row?.leaseUntil, row?.state.error], [undefined, undefined]);
        assert.equal(row?.state.owned.length, 1);
      });
    }
  }

  it("lease-table 8: between two destinations leaves neither of them behind", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("10s");
    world.crash();
    const gate = gateAt("delete secrets");
    const doomed = world.start({ effect: gate.effect });
    await world.given(aStaticSecret("db", { destination: { name: "next" } }));
    await world.advance("3m");
    assert.ok(gate.times() > 0);
    doomed.crash();
    await world.remove("VaultStaticSecret", "db");
    world.start();
    await world.advance("10m");
    assert.deepEqual([world.secret("db"), world.secret("next")], [undefined, undefined]);
  });
});

describe("a worker that is late", () => {
  it("lease-table 1: drops what it read before another one wrote a newer version", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("2m");
    world.crash();
    const gate = gateAt("vault kv-v2", "after");
    const late = world.start({ effect: gate.effect });
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("60s");
    assert.ok(gate.times() > 0, "it holds the second version");
    world.start();
    await world.given(aVaultSecret("db", { password: "three" }));
    await world.advance("2m");
    assert.equal(world.secret("db")?.data.password, "three");
    gate.open();
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "three", "the late answer was dropped");
    late.crash();
  });

  it("lease-table 6: starts no write after the end of its lease, and stores nothing", async () => {
    await using world = await aWorld({ isAsleep: true });
    const gate = gateAt("vault kv-v2", "after");
    world.start({ effect: gate.effect });
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("10s");
    assert.ok(gate.times() > 0, "it holds the first version under a lease");
    await world.given(aVaultSecret("db", { password: "two" }));
    world.start();
    await world.advance("3m");
    assert.equal(world.secret("db")?.data.password, "two");
    const before = await world.row();
    gate.open();
    await world.advance("30s");
    assert.equal(world.secret("db")?.data.password, "two");
    assert.equal((await world.row())?.state.digest, before?.state.digest);
  });

  it("lease-table 6: and has no time left to say how it went: it is looked at again, and goes on being refreshed", async () => {
    await using world = await aWorld({ isAsleep: true });
    let isSlow = false;
    const effect: Effect = async (name, work) => {
      const answer = await work();
      if (isSlow && name === "patch secrets") await world.time.sleep(85_000);
      return answer;
    };
    world.start({ effect });
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("10s");
    isSlow = true;
    await world.given(aStaticSecret("db", { refreshAfter: "50s" }));
    await world.advance("80s");
    isSlow = false;
    await world.advance("10s");
    assert.equal((await world.row())?.state.error, undefined);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("60s");
    assert.equal(world.secret("db")?.data.password, "two");
  });

  it("lease-table 4: settles nothing on a declaration that was made anew under its name", async () => {
    await using world = await aWorld({ isAsleep: true });
    const gate = gateAt("store settle");
    world.start({ effect: gate.effect });
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("10s");
    await world.remove("VaultStaticSecret", "db");
    await world.given(aStaticSecret("db", { destination: { name: "other" } }));
    world.start();
    await world.advance("5s");
    gate.open();
    await world.advance("5m");
    assert.equal(world.secret("other")?.data.password, "one");
    assert.equal(world.secret("db"), undefined);
    assert.deepEqual(
      (await world.row())?.state.owned.map(({ name }) => name),
      ["other"],
    );
  });
});

describe("a watch pass that is late", () => {
  for (const [what, effect, kind, name] of [
    ["a declaration", "list vaultstaticsecrets", "VaultStaticSecret", "db"],
    ["a VaultAuth", "list vaultauths", "VaultAuth", "default"],
  ] as const) {
    it(`lease-table 21: does not store ${what} that another one saw go`, async () => {
      await using world = await aWorld({ isAsleep: true });
      await world.given(aVaultSecret(), aStaticSecret());
      const gate = gateAt(effect, "after");
      world.start({ effect: gate.effect });
      await world.advance("3m");
      assert.ok(gate.times() > 0, "it holds the list");
      world.start();
      await world.advance("3m");
      await world.remove(kind, name, kind === "VaultAuth" ? { namespace: "vso" } : {});
      await world.advance("1m");
      const before = world.log.length;
      gate.open();
      await world.advance("10m");
      const { name: cluster } = world.cluster();
      const stored = [...(await world.store.byCluster(cluster)), ...(await world.store.referencesOf(cluster))];
      assert.deepEqual(
        stored.filter(({ key }) => key.includes(`/${kind}/`)),
        [],
      );
      const errors = world.log.slice(before).filter(({ level }) => level === "error");
      assert.deepEqual(errors, []);
    });
  }

  it("lease-table 21: does not remove a VaultAuth that another one saw come back", async () => {
    await using world = await aWorld({ isAsleep: true });
    const auth = aVaultAuth("default", { allowedNamespaces: ["*"] }, "vso");
    await world.given(aVaultSecret(), aStaticSecret());
    world.start();
    await world.advance("10s");
    world.crash();
    await world.remove("VaultAuth", "default", { namespace: "vso" });
    const gate = gateAt("list vaultauths", "after");
    world.start({ effect: gate.effect });
    // The cursor of the first one is too old for a watch.
    await world.advance("15m");
    assert.ok(gate.times() > 0, "it holds a list without it");
    await world.given(auth);
    world.start();
    await world.advance("15m");
    gate.open();
    await world.advance("10s");
    assert.equal((await world.row())?.state.error, undefined);
    assert.deepEqual(
      (await world.store.referencesOf("east")).map(({ key }) => key).filter((key) => key.includes("/VaultAuth/")),
      ["east/VaultAuth/vso/default"],
    );
  });

  it("lease-table 21: goes on while no other one begins, so that a long list ends", async () => {
    await using world = await aWorld({ isAsleep: true });
    await world.given(aVaultSecret(), aStaticSecret());
    const gate = gateAt("list vaultstaticsecrets", "after");
    world.start({ effect: gate.effect });
    await world.advance("5m");
    gate.open();
    await world.advance("10s");
    assert.equal(world.secret("db")?.data.password, "one");
  });
});

describe("a declaration that goes while its row is at work", () => {
  /** Seconds, where the lease of its run lasts 90. */
  const SOON = "5s";
  const rowsLeft = async (world: World) => (await world.store.byCluster("east")).map(({ key }) => key);
  const isSync = (key: string) => key.includes("/VaultStaticSecret/");

  for (const at of ["patch secrets", "patch vaultstaticsecrets/status", "store settle"]) {
    it(`lease-table 8: before ${at}: its clean-up waits for the run, and not for the end of its lease`, async () => {
      await using world = await aWorld({ isAsleep: true });
      const gate = gateAt(at);
      const late = world.start({ effect: gate.effect });
      await world.given(aVaultSecret(), aStaticSecret());
      await world.advance("10s");
      assert.ok(gate.times() > 0, "it stands there");
      world.start();
      await world.remove("VaultStaticSecret", "db");
      await world.advance("30s");
      const [cleanup] = (await rowsLeft(world)).filter(isSync);
      assert.match(cleanup ?? "", /#/, "it waits");
      gate.open();
      await world.advance(SOON);
      assert.deepEqual((await rowsLeft(world)).filter(isSync), []);
      assert.equal(world.secret("db"), undefined);
      late.crash();
    });
  }

  it("lease-table 8: and nobody knows what its last request did: the clean-up waits for the end of the lease", async () => {
    await using world = await aWorld({ isAsleep: true });
    const answer = Promise.withResolvers<void>();
    const effect: Effect = async (name, work) => {
      if (name !== "patch secrets") return work();
      await answer.promise;
      throw new SyncError("KUBE_NO_ANSWER", "no answer");
    };
    world.start({ effect });
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("10s");
    world.start();
    await world.remove("VaultStaticSecret", "db");
    await world.advance("10s");
    answer.resolve();
    await world.advance("60s");
    assert.equal((await rowsLeft(world)).filter(isSync).length, 1, "it waits");
    await world.advance("20s");
    assert.deepEqual((await rowsLeft(world)).filter(isSync), []);
  });
});

describe("messages", () => {
  it("a change while its row is at work is not lost: settle leaves it due", async () => {
    await using world = await aWorld({ isAsleep: true });
    const gate = gateAt("store settle");
    world.start({ effect: gate.effect });
    await world.given(aVaultSecret(), aVaultSecret("other", { password: "other" }), aStaticSecret());
    await world.advance("10s");
    await world.given(aStaticSecret("db", { path: "other" }));
    await world.advance("2s");
    gate.open();
    await world.advance("5s");
    assert.equal(world.secret("db")?.data.password, "other");
  });

  it("that come twice, late and for what is gone do nothing", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("2m");
    const before = world.secret("db");
    const keys = [world.key("db"), world.key("nobody")];
    const costs = await world.counting(async () => {
      for (const lane of ["now", "refresh", "now"] as const) {
        await world.queue.send([{ kind: "keys", keys, lane, at: world.time.now() - 600_000 }]);
      }
      await world.advance("2s");
    });
    assert.deepEqual([costs.claims, costs.requests, costs.reads], [0, 0, 0]);
    assert.deepEqual(world.secret("db"), before);
  });

  it("two workers that have the same one claim once and write once", async () => {
    await using world = await aWorld({ isAsleep: true });
    for (const _ of [1, 2, 3]) world.start();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("1m");
    assert.equal(world.secret("db")?.data.password, "one");
    assert.equal(world.events("db").filter(({ reason }) => reason === "SecretSynced").length, 1);
  });

  it("of a process that died with its queue are sent again by the next one's ticks", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("2m");
    world.crash();
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("10m");
    assert.equal(world.secret("db")?.data.password, "one");
    world.start();
    await world.advance("60s");
    assert.equal(world.secret("db")?.data.password, "two");
  });

  it("lease-table 13: a clock that was wrong for a while does not stop the refreshes", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret());
    await world.advance("2m");
    world.time.stepClock(3_600_000);
    await world.advance("2m");
    world.time.stepClock(-3_600_000);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("3m");
    assert.equal(world.secret("db")?.data.password, "two");
  });
});
