import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClusterSettings } from "../../lib/ports/fleet.ts";
import type { ServedKind } from "./world/api/kinds.ts";
import { aNamespace, aServiceAccount, aStaticSecret, aVaultSecret, VAULT } from "./world/builders.ts";
import { doomAt, type Side } from "./world/doom.ts";
import type { Effect } from "./world/effects.ts";
import { aDynamicSecret, anIssuingWorld } from "./world/issuing.ts";
import { aPush, aPushed, aPushingWorld, aSecret, held } from "./world/pushing.ts";
import { aWorld, type World } from "./world/world.ts";

type Fleet = readonly ClusterSettings[];

/** What a watch pass stores, and asks of others. */
const STORES = /^store (saveCluster|declare|retire|nudge|nudgeAll|settle)|^queue/;

const LONG = "list vaultpkisecrets";

/** Plays a story for each point at which the process with the other fleet dies. */
async function everyPoint(play: (n: number, side: Side) => Promise<boolean>): Promise<number> {
  let points = 0;
  for (const side of ["before", "after"] as const) {
    for (let n = 1; await play(n, side); n++) points++;
  }
  return points;
}

/** The other fleet is there until the process dies; then comes the former one. False: no such point any more. */
async function reverted(
  world: World,
  other: (fleet: Fleet) => Fleet,
  n: number,
  side: Side,
  revert = (): void => undefined,
): Promise<boolean> {
  world.crash();
  // Until nobody holds the claim on the cluster's row.
  await world.advance("150s");
  let former: Fleet = [];
  world.fleet((fleet) => {
    former = fleet;
    return other(fleet);
  });
  const doom = doomAt(n, side, STORES);
  // A long list: the watch pass goes on until the process dies.
  const never = new Promise<never>(() => undefined);
  const effect: Effect = (name, work) => (name === LONG ? never : doom.effect(name, work));
  doom.of(world.start({ effect }));
  await world.advance("4s");
  world.crash();
  revert();
  world.fleet(() => former);
  world.start();
  await world.advance("150s");
  return doom.isMet();
}

describe("fleet.yaml is as before, and a watch pass with the other one was cut off", () => {
  it("lease-table 18: no sync stays of a namespace that was included meanwhile", async (t) => {
    const points = await everyPoint(async (n, side) => {
      await using world = await aWorld({ clusters: [{ namespaces: { include: ["*"], exclude: ["extra"] } }] });
      await world.given(aNamespace("extra"), aServiceAccount("app", "extra"));
      await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "10s", namespace: "extra" }));
      await world.advance("30s");
      const all = (fleet: Fleet) => fleet.map((one) => ({ ...one, namespaces: { include: ["*"], exclude: [] } }));
      const isMet = await reverted(world, all, n, side);
      const rows = (await world.store.byCluster("east")).map(({ key }) => key).filter((key) => key.includes("/extra/"));
      assert.deepEqual(rows, [], `${side} effect ${n}`);
      return isMet;
    });
    t.diagnostic(`${points} points`);
    assert.ok(points > 5);
  });

  it("lease-table 18: what another cluster declared under its name is released, and nothing of it is removed", async (t) => {
    const points = await everyPoint(async (n, side) => {
      await using world = await aPushingWorld({}, { clusters: [{}, { name: "west" }] });
      world.crash();
      let west: Fleet = [];
      world.fleet(([east, ...others]) => {
        west = others;
        return east === undefined ? [] : [east];
      });
      world.start();
      await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "10s" }));
      await world.cluster("west").apply([aSecret(), aPushed({ path: "kv/apps/shop/app" }), aStaticSecret("db")]);
      await world.advance("30s");
      const isMet = await reverted(
        world,
        (fleet) => {
          world.leads("east", "west");
          return fleet.map((one) => ({ ...one, ...west[0], name: "east" }));
        },
        n,
        side,
        () => world.leads("east", "east"),
      );
      const where = `${side} effect ${n}`;
      const keys = (await world.store.byCluster("east")).map(({ key }) => key).filter((key) => key.includes("/shop/"));
      assert.deepEqual(keys, [world.key()], where);
      assert.deepEqual(
        [...world.vault.server.audit.keys()].filter((line) => line.includes("kv/delete/")),
        [],
        where,
      );
      // The operator namespace has its powers.
      await world.given(aVaultSecret("db", { password: "two" }));
      await world.advance("30s");
      assert.equal(world.secret("db")?.data.password, "two", `${where}: ${world.condition("db")}`);
      return isMet;
    });
    t.diagnostic(`${points} points`);
    assert.ok(points > 5);
  });

  it("lease-table 21: events of Vault find a sync under the former name of its Vault", async (t) => {
    const points = await everyPoint(async (n, side) => {
      await using world = await aWorld();
      await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "1h" }));
      await world.advance("30s");
      const main = { name: "main", addresses: [VAULT], identities: [] };
      // Another filter too, so that everything is listed.
      const other = { vaults: [main], namespaces: { include: ["*"], exclude: ["none"] } };
      const isMet = await reverted(world, (fleet) => fleet.map((one) => ({ ...one, ...other })), n, side);
      const where = `${side} effect ${n}`;
      await world.vaultWrites("db", { password: "two" });
      await world.advance("10s");
      assert.equal(world.secret("db")?.data.password, "two", where);
      return isMet;
    });
    t.diagnostic(`${points} points`);
    assert.ok(points > 5);
  });

  it("lease-table 21: a push is at its former path, and at no other one", async (t) => {
    const points = await everyPoint(async (n, side) => {
      await using world = await aPushingWorld({ paths: ["kv/**"] });
      await world.vault.writePolicy("push", 'path "kv/*" { capabilities = ["create", "read", "update", "delete"] }');
      await world.given(aSecret(), aPushed({ path: "kv/apps/shop/app" }));
      await world.advance("30s");
      const others = (fleet: Fleet) =>
        fleet.map((one) => ({ ...one, push: aPush({ paths: ["kv/**"], prefix: "cluster" }) }));
      const isMet = await reverted(world, others, n, side);
      const found = await Promise.all([held(world, "apps/shop/app/db"), held(world, "clusters/east/apps/shop/app/db")]);
      assert.deepEqual(
        found.map((data) => data?.password),
        ["one", undefined],
        `${side} effect ${n}`,
      );
      return isMet;
    });
    t.diagnostic(`${points} points`);
    assert.ok(points > 5);
  });
});

describe("settings that changed while no process ran", () => {
  it("lease-table 21: are those of every sync, also where the first watch pass was cut off", async (t) => {
    const points = await everyPoint(async (n, side) => {
      await using world = await aWorld();
      await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "1h" }));
      await world.advance("30s");
      world.crash();
      await world.advance("150s");
      world.fleet((fleet) => fleet.map((one) => ({ ...one, globalTransformationOptions: { excludeRaw: true } })));
      const doom = doomAt(n, side, STORES);
      doom.of(world.start({ effect: doom.effect }));
      await world.advance("4s");
      world.crash();
      world.start();
      await world.advance("150s");
      assert.deepEqual(Object.keys(world.secret("db")?.data ?? {}), ["password"], `${side} effect ${n}`);
      return doom.isMet();
    });
    t.diagnostic(`${points} points`);
    assert.ok(points > 5);
  });
});

describe("a restored etcd", () => {
  /** Four named namespaces with 6 declarations each, and how to go back to before them. */
  const declaredSince = async () => {
    const spaces = ["n1", "n2", "n3", "n4"];
    const world = await anIssuingWorld({ clusters: [{ namespaces: { include: spaces, exclude: [] } }] });
    await world.given(aVaultSecret());
    for (const space of spaces) await world.given(aNamespace(space), aServiceAccount("app", space));
    const restore = world.cluster().snapshot();
    const names = ["d1", "d2", "d3", "d4", "d5", "d6"];
    for (const namespace of spaces) {
      await world.given(...names.map((name) => aDynamicSecret(name, { namespace, path: "creds/app" })));
    }
    await world.advance("2m");
    return { world, restore };
  };
  const mustAwaitApproval = async (world: World) => {
    await world.advance("5m");
    const rows = (await world.store.byCluster("east")).filter(({ key }) => key.includes("Dynamic"));
    assert.deepEqual([rows.length, world.vault.liveLeases().length], [24, 24]);
    const awaiting = (await world.store.cluster("east"))?.state.awaitingApproval;
    assert.deepEqual([awaiting?.gone, awaiting?.of], [24, 24]);
    return awaiting?.since;
  };

  it("lease-table 18: removes none of many declarations, also where each named namespace has few of them", async () => {
    const { world, restore } = await declaredSince();
    await using _world = world;
    world.crash();
    restore();
    world.start();
    const since = await mustAwaitApproval(world);
    assert.equal(await mustAwaitApproval(world), since);
  });

  it("lease-table 18: removes none of them when every watch learns by itself that its cursor is forgotten", async () => {
    const { world, restore } = await declaredSince();
    await using _world = world;
    restore(1_000_000);
    await world.cluster().restart();
    const since = await mustAwaitApproval(world);
    assert.equal(await mustAwaitApproval(world), since);
  });

  it("lease-table 18: removes none of them while its new API server does not serve each kind yet", async () => {
    await using world = await anIssuingWorld();
    await world.given(aVaultSecret(), aServiceAccount("app", "shop"));
    const restore = world.cluster().snapshot();
    const names = ["d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8"];
    await world.given(...names.map((name) => aStaticSecret(`static-${name}`, { path: "db" })));
    await world.given(...names.map((name) => aDynamicSecret(name, { path: "creds/app" })));
    await world.advance("2m");
    const { server } = world.cluster();
    const served = new Set<ServedKind>();
    world.crash();
    await world.advance("150s");
    restore();
    server.serveKinds((kinds) => {
      for (const kind of kinds) served.add(kind);
      return kinds.filter(({ kind }) => kind !== "VaultDynamicSecret");
    });
    world.start();
    await world.advance("20s");
    server.serveKinds(() => [...served]);
    await world.advance("5m");
    assert.equal((await world.store.byCluster("east")).filter(({ key }) => /Secret.*d\d$/.test(key)).length, 16);
    const awaiting = (await world.store.cluster("east"))?.state.awaitingApproval;
    assert.deepEqual([awaiting?.gone, awaiting?.of], [16, 16]);
  });

  it("lease-table 20: has its Secrets written again, also where its revision is higher than any before", async () => {
    for (const bump of [0, 1_000_000]) {
      await using world = await aWorld();
      await world.given(aVaultSecret(), aStaticSecret());
      await world.advance("30s");
      const restore = world.cluster().snapshot();
      await world.given(aVaultSecret("db", { password: "two" }));
      await world.advance("3m");
      assert.equal(world.secret("db")?.data.password, "two");
      restore(bump);
      assert.equal(world.secret("db")?.data.password, "one");
      world.cluster().fail("refused");
      await world.advance("20s");
      world.cluster().fail(undefined);
      await world.advance("5m");
      assert.equal(world.secret("db")?.data.password, "two", `bump ${bump}`);
    }
  });

  it("lease-table 20: is listed as a whole, also where that was cut off and its revision has grown since", async (t) => {
    let points = 0;
    const play = async (n: number): Promise<boolean> => {
      await using world = await aWorld();
      await world.given(aVaultSecret(), aVaultSecret("other", { password: "two" }), aStaticSecret());
      await world.advance("30s");
      const restore = world.cluster().snapshot();
      await world.edit("VaultStaticSecret", "db", { spec: { path: "other" } });
      for (let times = 0; times < 20; times++) await world.cluster().apply(aNamespace(`later-${times}`));
      await world.advance("3m");
      world.crash();
      restore();
      await world.advance("150s");
      // Before the first of these nobody knows of the restore.
      const doom = doomAt(n, "after", /^store (saveCluster|declare)/);
      doom.of(world.start({ effect: doom.effect }));
      await world.advance("4s");
      world.crash();
      for (let times = 0; times < 60; times++) await world.cluster().apply(aNamespace(`again-${times}`));
      world.start();
      await world.advance("150s");
      await world.given(aVaultSecret("db", { password: "three" }));
      await world.advance("70s");
      assert.equal(world.secret("db")?.data.password, "three", `after effect ${n}`);
      return doom.isMet();
    };
    while (await play(points + 1)) points++;
    t.diagnostic(`${points} points`);
    assert.ok(points > 2);
  });
});
