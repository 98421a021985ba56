import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cluster, waitFor } from "../harness/index.ts";
import { ownedSecrets } from "./support/chaos.ts";
import { keyferry, type RunningEngine, runOnce, startEngine, status } from "./support/engine.ts";
import { sum } from "./support/metric-sums.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { aStaticSecret, shippedCrds, type World } from "./support/world.ts";

const NS = "team-a";
const MANY = Array.from({ length: 14 }, (_, index) => `many-${String(index).padStart(2, "0")}`);
/** Servers that start again, and keyferry's own pauses meanwhile, on a busy machine. */
const PATIENCE_MS = 90_000;
const API = "secrets.hashicorp.com/v1beta1";

describe("a missing declaration deletes only when it is certain", () => {
  let world: World;
  let cluster: Cluster;
  let place: Place;

  before(async () => {
    ({ world, cluster, place } = await startPlace(NS));
    for (const name of [...MANY, "back"]) await world.vault.putKv("kv", name, { password: "one" });
  });
  after(() => endAll(world));

  const declareAll = (names: readonly string[]) =>
    cluster.apply(names.map((name) => aStaticSecret(NS, name, { refreshAfter: "10m" })));
  const clusterState = async () => (await status(world)).clusters[0];
  /** The revision of a restored cluster grows by itself: it must not come up to the cursors before keyferry looks. */
  const raiseRevision = async () => {
    const filler = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "filler", namespace: NS } };
    for (let at = 0; at < 200; at++) await cluster.apply({ ...filler, data: { at: String(at) } });
  };
  /** Lines are written together, a moment later. */
  const restored = (engine: RunningEngine) =>
    waitFor("its line of log", async () => engine.logs.some(({ event }) => event === "cluster-restored"));
  /** Waits until a watch pass has stored a cursor of now. */
  const cursorsStored = async (engine: RunningEngine) => {
    const saves = async () =>
      sum(await engine.metrics(), "keyferry_store_operations_total", { operation: "saveCluster" });
    const before = await saves();
    await place.touch("early");
    await waitFor("the cursors to be stored", async () => (await saves()) > before, PATIENCE_MS);
  };

  it("lease-table 20: after a restore of etcd everything is in step again, while running and after a restart", async () => {
    await place.declare("back", { refreshAfter: "10m" });
    await place.declare("early", { path: "back", refreshAfter: "10m" });
    {
      await using engine = await startEngine(world);
      await place.synced("back");
      await place.synced("early");
      const snapshot = await cluster.snapshotEtcd();
      const isFollowed = async () => (await clusterState())?.state === "ok";
      await waitFor("the cluster to be followed again", isFollowed, PATIENCE_MS);
      await raiseRevision();
      await world.vault.putKv("kv", "back", { password: "two" });
      for (const name of ["back", "early"]) await cluster.request("PATCH", pathOf(name), TOUCH, MERGE);
      await place.secretThat("back", ({ data }) => data.password === "two");
      await place.undeclare("early");
      await place.declare("late", { path: "back", refreshAfter: "10m" });
      await place.synced("late");
      await cluster.waitFor("early to go", async () => (await place.secret("early")) === undefined, PATIENCE_MS);

      await cluster.restoreEtcd(snapshot);
      await place.secretThat("back", ({ data }) => data.password === "two");
      await place.secretThat("early", ({ data }) => data.password === "two");
      await place.synced("back");
      await restored(engine);
      await waitFor(
        "the row of what never was to go",
        async () => (await status(world)).syncs.every(({ key }) => !key.endsWith("/late")),
        PATIENCE_MS,
      );
      await raiseRevision();
      await world.vault.putKv("kv", "back", { password: "three" });
      for (const name of ["back", "early"]) await cluster.request("PATCH", pathOf(name), TOUCH, MERGE);
      for (const name of ["back", "early"]) await place.secretThat(name, ({ data }) => data.password === "three");
      await cursorsStored(engine);
      await engine.kill();
      await cluster.restoreEtcd(snapshot);
    }
    await using engine = await startEngine(world);
    await place.secretThat("back", ({ data }) => data.password === "three");
    await place.secretThat("early", ({ data }) => data.password === "three");
    await place.synced("back");
    await place.undeclare("back");
    await place.undeclare("early");
    const isOver = async () => Object.keys(await ownedSecrets(cluster, NS)).length === 0;
    await cluster.waitFor("all to go", isOver, PATIENCE_MS);
    await restored(engine);
    assert.equal(await engine.stop(), 0);
    const areForgotten = async () => {
      assert.equal((await runOnce(world)).code, 0);
      return (await status(world)).syncs.length === 0;
    };
    await waitFor("rows to go", areForgotten, PATIENCE_MS);
  });

  it("lease-table 18: more than ten and a fifth gone at once awaits approval, is said, and cleaned up only when a person says so", async () => {
    await declareAll(MANY);
    {
      await using engine = await startEngine(world);
      for (const name of MANY) await place.synced(name);
      await engine.kill();
    }
    // With the garbage collector asleep all that happens to the Secrets is ours.
    await cluster.servers.controllers.stop();
    for (const name of MANY.slice(1)) await place.undeclare(name);
    // Another filter means that everything is listed.
    await world.writeFleet(() => ({ namespaces: { include: ["*"], exclude: ["nobody"] } }));
    {
      await using engine = await startEngine(world);
      const isAwaited = async () => (await clusterState())?.state === "awaiting-approval";
      await waitFor("it to await approval", isAwaited, PATIENCE_MS);
      const shown = await keyferry(["status", "--fleet", world.fleetPath, "--data-dir", `${world.folder}/data`]);
      assert.equal(shown.code, 1);
      assert.match(shown.stdout + shown.stderr, /13 of 14 declarations are gone.*--accept-missing one/);
      await sleep(1_500);
      assert.equal(Object.keys(await ownedSecrets(cluster, NS)).length, MANY.length);
      assert.equal(await engine.stop(), 0);
    }
    await runOnce(world);
    assert.equal((await clusterState())?.state, "awaiting-approval", "another watch pass does not forget it");
    assert.equal(Object.keys(await ownedSecrets(cluster, NS)).length, MANY.length);

    await using engine = await startEngine(world, { args: ["--accept-missing", "one"] });
    const isCleared = async () => Object.keys(await ownedSecrets(cluster, NS)).length === 1;
    await cluster.waitFor("the Secrets to go", isCleared, PATIENCE_MS);
    await waitFor("the cluster to be well", async () => (await clusterState())?.state === "ok", PATIENCE_MS);
    assert.equal(await engine.stop(), 0);
    await cluster.servers.controllers.start();
  });

  it("lease-table 18: a kind that is taken away is not missing, while running and after a restart", async () => {
    const names = MANY.slice(0, 3);
    await declareAll(names);
    await using engine = await startEngine(world);
    for (const name of names) await place.synced(name);
    await cluster.servers.controllers.stop();
    const crds = (await shippedCrds()) as { metadata: { name: string } }[];
    const crd = crds.find(({ metadata }) => metadata.name.startsWith("vaultstaticsecrets."));
    assert.ok(crd);
    await cluster.delete({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      name: crd.metadata.name,
    });
    await sleep(5_000);
    assert.deepEqual(Object.keys(await ownedSecrets(cluster, NS)), names, "seen while running");
    await engine.kill();
    await cluster.restart();
    {
      await using again = await startEngine(world);
      const isTold = async () => (await status(world)).syncs.every(({ error }) => error?.code === "KUBE_REJECTED");
      await waitFor("each of them to be told so", isTold, PATIENCE_MS);
      assert.deepEqual(Object.keys(await ownedSecrets(cluster, NS)), names, "after a restart");
      assert.equal(await again.stop(), 0);
    }
    const { syncs } = await status(world);
    assert.equal(syncs.length, names.length, "nothing is forgotten");
    assert.ok(syncs.every(({ error }) => error?.code === "KUBE_REJECTED"));
    await cluster.servers.controllers.start();
    await cluster.apply(crd);
  });
});

const MERGE = { contentType: "application/merge-patch+json" };
const TOUCH = { metadata: { annotations: { touched: "yes" } } };

function pathOf(name: string): string {
  return `/apis/${API}/namespaces/${NS}/vaultstaticsecrets/${name}`;
}
