import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { circuitOfCluster, suspensionOf } from "../../lib/circuits.ts";
import { SyncError } from "../../lib/errors.ts";
import { aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { aWorld, type World } from "./world/world.ts";

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `sync-${at}`);

async function withSyncs(count: number): Promise<World> {
  const world = await aWorld();
  const secrets = names(count).map((name) => aVaultSecret(name));
  await world.given(...secrets, ...names(count).map((name) => aStaticSecret(name)));
  await world.advance("30s");
  for (const name of names(count)) assert.equal(world.secret(name)?.data.password, "one");
  return world;
}

async function openCircuits(world: World): Promise<readonly string[]> {
  return (await world.store.circuits()).map(({ id, code }) => `${id} ${code}`);
}

describe("an outage", () => {
  for (const outage of ["refused", "silent"] as const) {
    it(`lease-table 16: of a Vault (${outage}) is written once; Secrets stay, and all resumes by itself`, async () => {
      await using world = await withSyncs(20);
      world.vault.fail(outage);
      await world.advance("2m");
      assert.deepEqual(await openCircuits(world), ["vault:https://vault.test:8200 VAULT_UNAVAILABLE"]);
      const costs = await world.counting(() => world.advance("5m"));
      assert.deepEqual([costs.claims, costs.settles], [0, 0], "nobody writes that it is still so");
      for (const name of names(20)) assert.equal(world.secret(name)?.data.password, "one");
      for (const name of names(20)) await world.given(aVaultSecret(name, { password: "two" }));
      world.vault.fail(undefined);
      await world.advance("80s");
      assert.deepEqual(await openCircuits(world), []);
      for (const name of names(20)) assert.equal(world.secret(name)?.data.password, "two", name);
    });
  }

  it("lease-table 16: of a sealed Vault says that it is sealed, and ends when it is unsealed", async () => {
    await using world = await withSyncs(3);
    await world.vault.seal();
    await world.advance("2m");
    assert.deepEqual(await openCircuits(world), ["vault:https://vault.test:8200 VAULT_SEALED"]);
    await world.vault.unseal();
    await world.advance("20s");
    assert.deepEqual(await openCircuits(world), []);
  });

  it("is not what one sync meets alone: a path that is refused opens nothing, and keeps nobody else waiting", async () => {
    await using world = await withSyncs(2);
    await world.given(aVaultSecret("closed/db"), aStaticSecret("closed", { path: "closed/db" }));
    await world.given(aVaultSecret("sync-0", { password: "two" }));
    await world.advance("60s");
    assert.deepEqual(await openCircuits(world), []);
    assert.match(world.condition("closed"), /VAULT_DENIED/);
    assert.equal(world.secret("sync-0")?.data.password, "two");
  });

  it("of a cluster leaves its syncs unwritten, and what changed meanwhile is done when it is back", async () => {
    await using world = await withSyncs(5);
    world.cluster().fail("refused");
    await world.advance("2m");
    assert.deepEqual(await openCircuits(world), ["cluster:east KUBE_UNREACHABLE"]);
    for (const name of names(5)) await world.given(aVaultSecret(name, { password: "two" }));
    const costs = await world.counting(() => world.advance("5m"));
    assert.equal(costs.settles, 0);
    world.cluster().fail(undefined);
    await world.advance("90s");
    for (const name of names(5)) assert.equal(world.secret(name)?.data.password, "two");
  });

  it("of a cluster that a clean-up alone meets opens nothing, and the clean-up comes back after a pause", async () => {
    await using world = await withSyncs(1);
    let tries = 0;
    let isOver = false;
    world.start({
      effect: async (name, work) => {
        if (name !== "get secrets" || isOver) return work();
        tries += 1;
        throw new SyncError("KUBE_UNREACHABLE", "east does not answer", { circuit: circuitOfCluster("east") });
      },
    });
    await world.remove("VaultStaticSecret", "sync-0");
    await world.advance("2m");
    assert.deepEqual(await openCircuits(world), [], "it answers other requests");
    assert.ok(tries > 1 && tries < 20, `${tries} tries`);
    isOver = true;
    await world.advance("3m");
    assert.equal(world.secret("sync-0"), undefined);
  });

  it("lease-table 16: ends for all that wait, also when the worker dies that closes its circuit", async () => {
    for (const side of ["before", "after"] as const) {
      await using world = await withSyncs(3);
      world.crash();
      let isOver = false;
      world.start({
        effect: async (name, work) => {
          if (name !== "store closeCircuit") return work();
          const closed = side === "after" ? await work() : undefined;
          world.crash();
          isOver = true;
          return closed ?? new Promise<never>(() => undefined);
        },
      });
      world.cluster().fail("refused");
      for (const name of names(3)) await world.given(aVaultSecret(name, { password: "two" }));
      await world.advance("4m");
      world.cluster().fail(undefined);
      await world.advance("20s");
      assert.ok(isOver, side);
      world.start();
      await world.advance("60s");
      for (const name of names(3)) assert.equal(world.secret(name)?.data.password, "two", `${name} ${side}`);
    }
  });

  it("lease-table 16: ends for a run that met it and settles after its end", async () => {
    await using world = await withSyncs(1);
    let isHeld = false;
    let held = 0;
    world.crash();
    world.start({
      effect: async (name, work) => {
        if (name !== "store settle" || !isHeld) return work();
        held += 1;
        while (isHeld) await world.time.sleep(1_000);
        return work();
      },
    });
    // The watch of the first process held the cluster.
    await world.advance("3m");
    isHeld = true;
    world.vault.fail("refused");
    await world.edit("VaultStaticSecret", "sync-0", { spec: { path: "other" } });
    await world.advance("45s");
    assert.ok(held > 1, "the sync and its VaultConnection");
    assert.deepEqual(await openCircuits(world), ["vault:https://vault.test:8200 VAULT_UNAVAILABLE"]);
    world.vault.fail(undefined);
    await world.given(aVaultSecret("other", { password: "two" }));
    await world.advance("25s");
    assert.deepEqual(await openCircuits(world), []);
    isHeld = false;
    await world.advance("30s");
    assert.equal(world.secret("sync-0")?.data.password, "two");
  });

  for (const first of ["Vault", "cluster"] as const)
    it(`lease-table 16: of a Vault and of a cluster ends for what waits for both with the last of them; first the ${first}`, async () => {
      await using world = await aWorld();
      await world.given(...names(5).map((name) => aVaultSecret(name)));
      await world.given(...names(5).map((name) => aStaticSecret(name, { refreshAfter: "10h" })));
      await world.advance("30s");
      world.vault.fail("refused");
      const keys = (await world.store.byCluster("east")).map(({ key }) => key);
      await world.store.nudgeAll(keys, { now: world.time.now(), verify: false });
      await world.advance("2m");
      world.cluster().fail("refused");
      await world.advance("2m");
      assert.equal((await openCircuits(world)).length, 2);
      await world.given(...names(5).map((name) => aVaultSecret(name, { password: "two" })));
      const isAll = (value: string) => names(5).every((name) => world.secret(name)?.data.password === value);
      const ends = [() => world.vault.fail(undefined), () => world.cluster().fail(undefined)];
      for (const end of first === "Vault" ? ends : ends.toReversed()) {
        assert.ok(isAll("one"));
        end();
        await world.advance("60s");
      }
      assert.deepEqual(await openCircuits(world), []);
      assert.ok(isAll("two"));
    });

  it("of one cluster costs another one nothing", async () => {
    await using world = await aWorld({ clusters: [{ name: "east" }, { name: "west" }] });
    await world.given(aVaultSecret());
    await world.cluster("west").apply(aStaticSecret());
    world.cluster("east").fail("silent");
    await world.advance("15s");
    assert.equal(world.secret("db", { cluster: "west" })?.data.password, "one");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("60s");
    assert.equal(world.secret("db", { cluster: "west" })?.data.password, "two");
  });
});

describe("a failure that many share", () => {
  it("is asked about by one of them each time", async () => {
    await using world = await aWorld();
    await world.given(...names(100).map((name) => aStaticSecret(name, { path: "missing" })));
    await world.advance("2m");
    const costs = await world.counting(() => world.advance("5m"));
    assert.ok(costs.reads <= 10, `${costs.reads} reads`);
    for (const name of names(100)) assert.match(world.condition(name), /VAULT_PATH_MISSING/);
  });

  it("is over for all of them when one of them finds it mended", async () => {
    await using world = await aWorld();
    await world.given(...names(30).map((name) => aStaticSecret(name, { path: "missing" })));
    await world.advance("2m");
    await world.given(aVaultSecret("missing"));
    await world.edit("VaultStaticSecret", "sync-7", { metadata: { annotations: { touched: "now" } } });
    await world.advance("20s");
    for (const name of names(30)) assert.equal(world.secret(name)?.data.password, "one", name);
  });

  for (const [where, namespace] of [
    ["the cluster", undefined],
    ["its namespace", "shop"],
  ] as const) {
    it(`kubernetes-rules 24: a sync writes nothing while keyferry stands back from ${where}`, async () => {
      await using world = await aWorld();
      const times = { since: world.time.now(), probeAt: world.time.now() + 300_000 };
      const about = { code: "OTHER_CONTROLLER", message: "m", attempts: 1, fence: 1 } as const;
      await world.store.openCircuit({ id: suspensionOf("east", namespace), ...about, ...times });
      await world.given(aVaultSecret(), aStaticSecret());
      await world.advance("4m");
      assert.equal(world.secret("db"), undefined);
      assert.equal(world.reads("db"), 0);
    });
  }
});
