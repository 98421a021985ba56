import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { type Cluster, waitFor } from "../harness/index.ts";
import {
  dataDirOf,
  keyferry,
  type LogLine,
  type RunningEngine,
  type StatusAnswer,
  startEngine,
} from "./support/engine.ts";
import { adminConfig, argocdIn, clusterSecret } from "./support/hub.ts";
import { type Place, placeIn } from "./support/place.ts";
import { endAll } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import { startWorld, vaultsOf, type World } from "./support/world.ts";

const NS = "team-a";
/** A hub is read every 30 s, and a wish that comes during a pass is answered by that one alone. */
const PATIENCE_MS = 120_000;

describe("the clusters of a hub", () => {
  let world: World;
  let hub: Cluster;
  let clusters: readonly Cluster[];
  let one: Place;
  let two: Place;
  let engine: RunningEngine;

  before(async () => {
    world = await startWorld({ clusters: ["hub", "one", "two"] });
    [hub, ...clusters] = world.clusters as [Cluster, Cluster, Cluster];
    for (const cluster of clusters) await world.namespace(cluster, NS);
    [one, two] = clusters.map((cluster) => placeIn(cluster, NS)) as [Place, Place];
    await argocdIn(hub);
    await world.vault.putKv("kv", "db", { password: "first" });
    for (const place of [one, two]) await place.declare("db", { refreshAfter: "2s" });
    await writeFleet();
    await register(0);
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  /** fleet.yaml names no cluster at all. */
  const writeFleet = async () => {
    const argocd = {
      name: "main",
      connect: { kubeconfig: { path: hub.kubeconfigPath } },
      argocd: {},
      selector: { matchLabels: { env: "prod" } },
      defaults: { vault: { authMount: "kubernetes-{name}" } },
    };
    const vaults = await vaultsOf(world.vault);
    await writeFile(
      world.fleetPath,
      JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", vaults, hubs: [argocd] }),
    );
  };
  const register = async (at: number, as = clusters[at]?.name ?? "", leadsTo = clusters[at] as Cluster) => {
    const data = { name: as, server: leadsTo.url, config: adminConfig(leadsTo) };
    await hub.apply(clusterSecret(`cluster-${as}`, data, { labels: { env: "prod" } }));
  };
  const unregister = (name: string) =>
    hub.delete({ apiVersion: "v1", kind: "Secret", namespace: "argocd", name: `cluster-${name}` });
  const heard = (event: string) => engine.logs.filter((line) => line.event === event);
  const ask = () => engine.child.kill("SIGHUP");

  it("are synced, though fleet.yaml names none of them", async () => {
    await one.secretThat("db", ({ data }) => data.password === "first", PATIENCE_MS);
    await one.synced("db", PATIENCE_MS);
    const { clusters: shown } = await statusThat(world, "one", (answer) => answer.syncs.length === 1);
    assert.deepEqual(
      shown.map(({ name }) => name),
      ["one"],
    );
    assert.match(await engine.metrics(), /^keyferry_hub_up\{hub="main"\} 1$/m);
  });

  it("come without a restart", async () => {
    assert.equal(await two.secret("db"), undefined);
    await register(1);
    ask();
    await two.secretThat("db", ({ data }) => data.password === "first", PATIENCE_MS);
    await two.synced("db", PATIENCE_MS);
    await waitFor("the log", async () => String(heard("fleet-changed").at(-1)?.added) === "two");
  });

  it("are refused with an API server that another one has, and the first stays", async () => {
    await register(1, "again");
    ask();
    const isAgain = ({ cluster, code }: LogLine) => cluster === "again" && code === "CLUSTER_DUPLICATE";
    const told = await waitFor("the refusal", async () => heard("hub-cluster-refused").find(isAgain), PATIENCE_MS);
    assert.equal(told.hub, "main");
    const shown = await keyferry(["status", "--fleet", world.fleetPath, "--data-dir", dataDirOf(world)]);
    assert.equal(shown.code, 1);
    assert.match(shown.stdout, /hub main: cluster again .*CLUSTER_DUPLICATE: it is the API server of cluster two/);
    assert.match(await engine.metrics(), /^keyferry_hub_clusters_refused\{hub="main"\} 1$/m);
    await unregister("again");
  });

  it("that lead to another API server are not used, until a person accepts it", async () => {
    await one.undeclare("db");
    await two.undeclare("db");
    await one.declare("secret-of-one", { path: "db", refreshAfter: "2s" });
    await one.synced("secret-of-one", PATIENCE_MS);
    await unregister("two");
    await register(0, "one", clusters[1]);
    ask();
    const isReplaced = ({ cluster, code }: LogLine) => cluster === "one" && code === "CLUSTER_REPLACED";
    await waitFor("the refusal", async () => heard("hub-cluster-refused").some(isReplaced), PATIENCE_MS);
    await waitFor("the watch to be refused", async () => heard("watch-pass-failed").some(isReplaced), PATIENCE_MS);
    assert.equal(await two.secret("secret-of-one"), undefined);
    await two.declare("of-two", { path: "db" });
    await engine.stop();
    engine = await startEngine(world, { args: ["--accept-missing", "one"] });
    // Cluster one's login in Vault accepts no token of another cluster.
    await waitFor(
      "its login to be refused",
      async () => (await two.conditions("of-two")).SecretSynced?.message.includes("VAULT_LOGIN_REFUSED"),
      PATIENCE_MS,
    );
    await waitFor("the log", async () => heard("cluster-replaced").some(({ cluster }) => cluster === "one"));
    await register(0);
    await two.undeclare("of-two");
    await engine.stop();
    engine = await startEngine(world, { args: ["--accept-missing", "one"] });
    // Its status is of before: that it is reached again shows in what Vault has now.
    await world.vault.putKv("kv", "db", { password: "accepted" });
    await one.secretThat("secret-of-one", ({ data }) => data.password === "accepted", PATIENCE_MS);
  });

  it("stay while the hub can't be read, and follow Vault, also after a restart", async () => {
    await register(1);
    ask();
    await two.declare("db", { refreshAfter: "2s" });
    await two.synced("db", PATIENCE_MS);
    hub.pause();
    await engine.stop();
    engine = await startEngine(world);
    try {
      await world.vault.putKv("kv", "db", { password: "second" });
      for (const [place, name] of [
        [one, "secret-of-one"],
        [two, "db"],
      ] as const) {
        await place.secretThat(name, ({ data }) => data.password === "second", PATIENCE_MS);
      }
      assert.deepEqual([...new Set(heard("hub-copy-used").map(({ cluster }) => cluster))].sort(), ["one", "two"]);
      await waitFor(
        "the log",
        async () => heard("hub-unreadable").some(({ code }) => code === "KUBE_UNREACHABLE"),
        PATIENCE_MS,
      );
      const { hubs } = await statusThat(world, "the hub", (answer) => answer.hubs[0]?.error !== undefined);
      assert.deepEqual([hubs[0]?.state, hubs[0]?.clusters], ["failed", 2]);
    } finally {
      hub.resume();
    }
    ask();
    const isWell = ({ hubs: [read] }: StatusAnswer) => read !== undefined && read.error === undefined;
    await statusThat(world, "the hub to be read again", isWell, 3 * PATIENCE_MS);
    assert.equal((await two.secret("db"))?.data.password, "second");
    assert.equal(heard("cluster-released").length, 0);
  });

  it("leave with their object: rows go, and Secrets stay", async () => {
    await unregister("two");
    ask();
    const isReleased = () => heard("cluster-released").some(({ cluster }) => cluster === "two");
    await waitFor("its release", async () => isReleased(), PATIENCE_MS);
    assert.equal((await two.secret("db"))?.data.password, "second");
  });

  it("a plan reads them, too, and writes nothing", async () => {
    await register(1, "planned");
    const shown = await keyferry(["plan", "--fleet", world.fleetPath, "--data-dir", dataDirOf(world), "-o", "json"]);
    const { clusters: planned } = JSON.parse(shown.stdout) as { clusters: { name: string; error?: unknown }[] };
    assert.deepEqual(planned.map(({ name }) => name).sort(), ["one", "planned"]);
    await unregister("planned");
  });
});
