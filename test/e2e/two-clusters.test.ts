import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, waitFor } from "../harness/index.ts";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { aStaticSecret, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const OTHER = "team-b";
/** While another one is dead; they are refreshed every 5 s, and the machine may be busy. */
const PROMPT_MS = 30_000;
/** After the start of an API server that was dead. */
const TAKEN_IN_MS = 90_000;

describe("several clusters in one fleet", () => {
  let world: World;
  let alive: Place;
  let second: Place;
  let dead: Place;
  let engine: RunningEngine | undefined;

  before(async () => {
    world = await startWorld({ clusters: ["alive", "second", "dead"] });
    for (const cluster of world.clusters) {
      for (const namespace of [NS, OTHER]) await world.namespace(cluster, namespace);
    }
    [alive, second, dead] = world.clusters.map((cluster) => placeIn(cluster, NS)) as [Place, Place, Place];
    await world.vault.putKv("kv", "db", { password: "one" });
    for (const { cluster } of [alive, second, dead]) await cluster.apply(aStaticSecret(NS, "db"));
    await alive.cluster.apply(aStaticSecret(OTHER, "db"));
    await dead.cluster.servers.api.kill();
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const clusterNamed = async (name: string) => (await status(world)).clusters.find((cluster) => cluster.name === name);
  const keysOf = async (name: string) =>
    (await status(world)).syncs.map(({ key }) => key).filter((key) => key.startsWith(`${name}/`));
  const secretIn = (cluster: Cluster, namespace: string) => placeIn(cluster, namespace).secret("db");

  it("a cluster that is dead from the start delays no other, and is taken in when it comes up", async () => {
    engine = await startEngine(world);
    for (const place of [alive, second]) {
      await place.synced("db", PROMPT_MS);
      await place.secretThat("db", ({ data }) => data.password === "one", PROMPT_MS);
    }
    await world.vault.putKv("kv", "db", { password: "two" });
    for (const place of [alive, second]) await place.secretThat("db", ({ data }) => data.password === "two", PROMPT_MS);
    const shown = await clusterNamed("dead");
    assert.equal(shown?.state, "failed");
    assert.equal(shown?.error?.code, "KUBE_UNREACHABLE");

    await dead.cluster.servers.api.start();
    await dead.synced("db", TAKEN_IN_MS);
    await waitFor("its state", async () => (await clusterNamed("dead"))?.state === "ok");
  });

  it("a cluster that dies meanwhile costs the others nothing, and makes up for all it missed", async () => {
    await dead.cluster.servers.api.kill();
    await world.vault.putKv("kv", "db", { password: "three" });
    for (const place of [alive, second])
      await place.secretThat("db", ({ data }) => data.password === "three", PROMPT_MS);
    await dead.cluster.servers.api.start();
    await dead.secretThat("db", ({ data }) => data.password === "three", TAKEN_IN_MS);
    assert.equal(engine?.logs.filter(({ event }) => event.endsWith("-crashed")).length, 0);
  });

  it("lease-table 18: a cluster or a namespace that leaves the fleet is released: its Secrets stay, its rows go", async () => {
    assert.equal(await engine?.stop(), 0);
    await world.writeFleet(({ name }) => {
      if (name === "second") return undefined;
      return name === "alive" ? { namespaces: { include: [OTHER] } } : {};
    });
    engine = await startEngine(world);
    assert.deepEqual(await keysOf("second"), []);
    assert.deepEqual(await keysOf("alive"), [`alive/VaultStaticSecret/${OTHER}/db`]);
    assert.equal(await clusterNamed("second"), undefined);
    await world.vault.putKv("kv", "db", { password: "four" });
    await placeIn(alive.cluster, OTHER).secretThat("db", ({ data }) => data.password === "four", PROMPT_MS);
    await dead.secretThat("db", ({ data }) => data.password === "four", PROMPT_MS);
    for (const place of [alive, second]) assert.equal((await place.secret("db"))?.data.password, "three");

    await second.undeclare("db");
    assert.equal(await engine.stop(), 0);
    await world.writeFleet();
    engine = await startEngine(world);
    await alive.secretThat("db", ({ data }) => data.password === "four", PROMPT_MS);
    assert.deepEqual(await keysOf("second"), []);
  });

  it("lease-table 18: another cluster under the same name releases what was written in the old one", async () => {
    assert.equal(await engine?.stop(), 0);
    await second.cluster.apply(aStaticSecret(OTHER, "new"));
    await world.vault.putKv("kv", "new", { password: "new" });
    await world.writeFleet(({ name }) => {
      if (name === "second") return undefined;
      return name === "alive" ? { connect: { kubeconfig: { path: second.cluster.kubeconfigPath } } } : {};
    });
    engine = await startEngine(world);
    await placeIn(second.cluster, OTHER).secretThat("new", ({ data }) => data.password === "new", PROMPT_MS);
    const { logs } = engine;
    await waitFor("its line of log", async () => logs.some(({ event }) => event === "cluster-replaced"));
    assert.deepEqual(await keysOf("alive"), [`alive/VaultStaticSecret/${OTHER}/new`]);
    assert.ok(await secretIn(alive.cluster, NS), "the old cluster's Secrets are left alone");
  });
});
