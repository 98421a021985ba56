import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { survey } from "../../../lib/discovery/survey.ts";
import { KINDS } from "../../../lib/kinds/registry.ts";
import { planner } from "../../../lib/plan/plan.ts";
import type { PushSettings } from "../../../lib/ports/fleet-push.ts";
import { caCache } from "../../../lib/references/ca-cache.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster } from "../../builders.ts";
import { aStaticSecret, NAMESPACE, VAULT } from "../world/builders.ts";
import { annotations, aPush, aPushed, aPushingWorld, aSecret, held, versions, writes } from "../world/pushing.ts";
import { base64 } from "../world/views.ts";
import type { World } from "../world/world.ts";

const PATH = "apps/shop/app";

describe("a plan", () => {
  const planOf = async (world: World, push: PushSettings) => {
    const { deps, vault } = world.start({ isIdle: true });
    const cluster = aCluster({ vault: { address: VAULT }, push });
    const leases = simulatedSqliteStore(undefined);
    const work = (async () => {
      const signal = new AbortController().signal;
      const { errors } = await survey({ ...deps, leases, queue: { send: async () => undefined } }, cluster, signal);
      assert.deepEqual(errors, []);
      const keys = (await leases.byCluster("east"))
        .map(({ key }) => key)
        .filter((key) => /Deployment|Secret\//.test(key));
      const rows = [...(await leases.read(keys, "strong")).values()];
      const plan = planner({ ...deps, vault, leases, kinds: KINDS, ca: caCache(deps) });
      return plan.plan(rows, cluster, signal);
    })();
    await world.advance("30s");
    return Object.fromEntries((await work).map(({ key, action, because }) => [key, `${action}: ${because}`]));
  };

  it("says what would be written and why, and writes nothing", async () => {
    await using world = await aPushingWorld({}, { isAsleep: true });
    await world.vault.putKv("kv", "apps/shop/taken", { theirs: "x" });
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    const metadata = { annotations: annotations({ path: "kv/apps/shop/taken" }) };
    await world.given(aSecret("own", { a: "1" }, metadata));
    const before = writes(world);
    const planned = await planOf(world, aPush());
    assert.equal(planned[`east/Deployment/${NAMESPACE}/app`], "update: it is new");
    assert.match(planned[`east/Secret/${NAMESPACE}/own`] ?? "", /fail: PUSH_CONFLICT/);
    assert.equal(writes(world), before);
  });

  it("says which paths the cluster's prefix moves", async () => {
    await using world = await aPushingWorld({}, { isAsleep: true });
    await world.vault.writePolicy("push", 'path "kv/data/clusters/*" { capabilities = ["create", "read", "update"] }');
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    const planned = await planOf(world, aPush({ prefix: "cluster", paths: ["kv/clusters/{cluster}/apps/**"] }));
    assert.equal(
      planned[`east/Deployment/${NAMESPACE}/app`],
      `update: it is new; push.prefix moves kv/${PATH}/db to kv/clusters/east/${PATH}/db`,
    );
  });
});

describe("outages", () => {
  it("a Vault that is away is waited for, and gets the last state, once", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    world.vault.fail("refused");
    for (const password of ["two", "three"]) {
      await world.edit("Secret", "db", { data: { password: base64(password) } });
      await world.advance("1m");
    }
    world.vault.fail(undefined);
    await world.advance("1m");
    assert.deepEqual([(await held(world, `${PATH}/db`))?.password, versions(world, `${PATH}/db`)], ["three", 2]);
  });

  it("a sealed Vault restarts nobody, and a login that ended is replaced", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    world.vault.server.isSealed = true;
    await world.advance("2h");
    world.vault.server.isSealed = false;
    await world.edit("Secret", "db", { data: { password: base64("two") } });
    await world.advance("1m");
    assert.equal((await held(world, `${PATH}/db`))?.password, "two");
  });
});

describe("a loop over two clusters", () => {
  it("ends at the first Secret that came out of a Vault", async () => {
    await using world = await aPushingWorld({}, { clusters: [{}, { name: "west" }] });
    await world.given(aSecret("db", { a: "1" }, { annotations: annotations({ path: "kv/apps/shop/there" }) }));
    await world.vault.writePolicy("app", 'path "kv/*" { capabilities = ["read"] }');
    await world.cluster("west").apply(aStaticSecret("copy", { path: "apps/shop/there", refreshAfter: "10s" }));
    await world.advance("1m");
    assert.equal(world.secret("copy", { cluster: "west" })?.data.a, "1");
    const back = aPushed({ path: "kv/apps/shop/back" }, ["copy"]);
    await world.cluster("west").apply(back);
    await world.advance("5m");
    assert.equal(await held(world, "apps/shop/back/copy"), undefined);
    assert.equal(versions(world, "apps/shop/there"), 1);
  });
});

describe("metadata of others", () => {
  it("a process that starts again writes nothing, and wakes no row", async () => {
    await using world = await aPushingWorld();
    await world.given(aSecret(), aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    const before = writes(world);
    world.crash();
    world.start();
    const costs = await world.counting(() => world.advance("1h"));
    assert.deepEqual([writes(world) - before, costs.claims, costs.settles], [0, 0, 0]);
  });
});

describe("lease-table 20: a restore of etcd", () => {
  const restoredTo = async (secrets: readonly string[]) => {
    const world = await aPushingWorld();
    await world.given(aSecret(), aSecret("api", { a: "1" }), aSecret("other", { o: "1" }));
    await world.given(aPushed({ path: `kv/${PATH}` }));
    await world.advance("1m");
    const restore = world.cluster().snapshot();
    await world.given(aPushed({ path: `kv/${PATH}` }, ["db", "api"]));
    await world.advance("2m");
    for (let times = 0; times < 20; times++)
      await world.edit("Deployment", "app", { metadata: { labels: { n: `x${times}` } } });
    await world.advance("3m");
    world.crash();
    restore();
    await world.given(aPushed({ path: `kv/${PATH}` }, secrets));
    world.start();
    return world;
  };

  it("is noticed also where an object has the generation of before, with another template", async () => {
    await using world = await restoredTo(["db", "other"]);
    await world.advance("10m");
    assert.deepEqual([(await held(world, `${PATH}/other`))?.o, await held(world, `${PATH}/api`)], ["1", undefined]);
  });

  it("writes nothing where nothing differs", async () => {
    await using world = await restoredTo(["db", "api"]);
    const before = writes(world);
    await world.advance("10m");
    assert.equal(writes(world), before);
    assert.equal((await world.store.cluster("east"))?.state.restores, 1);
  });
});
