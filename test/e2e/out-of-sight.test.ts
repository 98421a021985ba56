import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../harness/index.ts";
import { dataDirOf, keyferry, launchEngine, type RunningEngine, startEngine, status } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "shop";
const LONG_MS = 60_000;
/** By a connection of its own: one that was kept may be closed by the engine just when it is used again. */
const ask = (url: string): Promise<Response> => fetch(url, { headers: { connection: "close" } });

describe("a cluster that can't be looked at", () => {
  let world: World;
  let seen: Place;
  let hidden: Place;
  let engine: RunningEngine;
  /** Of the cluster `hidden`, whose token is garbage when the test says so. */
  let tokens: { readonly good: string; readonly path: string };

  before(async () => {
    world = await startWorld({ clusters: ["seen", "hidden"] });
    for (const cluster of world.clusters) await world.namespace(cluster, NS);
    [seen, hidden] = world.clusters.map((cluster) => placeIn(cluster, NS)) as [Place, Place];
    await world.vault.putKv("kv", "db", { password: "1" });
    tokens = await tokenFile();
    await useToken(tokens.good);
    await fleetOf("seen", "hidden");
    engine = await startEngine(world);
    for (const place of [seen, hidden]) await place.declare("db");
    for (const place of [seen, hidden]) await place.synced("db", LONG_MS);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  async function tokenFile(): Promise<{ readonly good: string; readonly path: string }> {
    const account = { namespace: "default", name: "watcher" };
    await hidden.cluster.apply([
      { apiVersion: "v1", kind: "ServiceAccount", metadata: account },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "watcher" },
        subjects: [{ kind: "ServiceAccount", ...account }],
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      },
    ]);
    await writeFile(join(world.folder, "ca.pem"), hidden.cluster.caPem);
    return { good: await hidden.cluster.tokenFor(account), path: join(world.folder, "token") };
  }

  const useToken = (token: string): Promise<void> => writeFile(tokens.path, token);
  const fleetOf = (...names: string[]): Promise<string> =>
    world.writeFleet(({ name, ...cluster }) => {
      if (!names.includes(name)) return undefined;
      if (name !== "hidden") return {};
      return { connect: { server: { url: cluster.url, caFile: "ca.pem", tokenFile: "token" } } };
    });
  const readyz = async () => {
    const answer = await ask(`${engine.url}/readyz`);
    return { status: answer.status, text: await answer.text() };
  };
  const gauge = async (series: string): Promise<number | undefined> => {
    const line = (await engine.metrics()).split("\n").find((text) => text.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  };
  const people = async () => {
    const { stdout, code } = await keyferry([
      ...["status", "--fleet", world.fleetPath, "--data-dir", dataDirOf(world)],
    ]);
    return { lines: stdout.split("\n"), code };
  };
  const viewOf = async (name: string) => (await status(world)).clusters.find((cluster) => cluster.name === name);

  it("is nowhere to be seen while all is well", async () => {
    assert.deepEqual(await readyz(), { status: 200, text: "ok\n" });
    for (const name of ["seen", "hidden"]) assert.equal(await gauge(`keyferry_cluster_up{cluster="${name}"}`), 1);
    assert.equal((await people()).lines[0]?.startsWith("SYNC"), true);
    assert.equal((await viewOf("hidden"))?.outOfSight, undefined);
  });

  it("shows in metrics, readiness and status when its token is garbage from the start, and the others are served", async () => {
    assert.equal(await engine.stop(), 0);
    await useToken("garbage");
    engine = await startEngine(world);
    await waitFor("the gauge", async () => (await gauge('keyferry_cluster_up{cluster="hidden"}')) === 0, LONG_MS);
    assert.equal(await gauge('keyferry_cluster_up{cluster="seen"}'), 1);
    const { status: code, text } = await readyz();
    assert.equal(code, 200);
    assert.match(text, /^ok, except for clusters that cannot be read: hidden\n$/);
    const shown = await people();
    assert.match(shown.lines[0] ?? "", /^cluster hidden could not be read for \d+[smh], .*: KUBE_LOGIN_REFUSED: /);
    assert.equal(shown.code, 1);
    assert.ok((await viewOf("hidden"))?.outOfSight);
    await world.vault.putKv("kv", "db", { password: "2" });
    await seen.secretThat("db", ({ data }) => data.password === "2", LONG_MS);
  });

  it("is seen again when its token is good", async () => {
    await useToken(tokens.good);
    await waitFor("the gauge", async () => (await gauge('keyferry_cluster_up{cluster="hidden"}')) === 1, 2 * LONG_MS);
    assert.deepEqual(await readyz(), { status: 200, text: "ok\n" });
    await hidden.secretThat("db", ({ data }) => data.password === "2", LONG_MS);
    assert.equal((await viewOf("hidden"))?.outOfSight, undefined);
  });

  it("shows by its circuit while its API server is gone", async () => {
    await hidden.cluster.servers.api.kill();
    await waitFor(
      "the gauge",
      async () => (await gauge('keyferry_circuit_open{circuit="cluster:hidden"}')) === 1,
      LONG_MS,
    );
    assert.equal(await gauge('keyferry_cluster_up{cluster="hidden"}'), 0);
    await hidden.cluster.servers.api.start();
    await waitFor("the gauge", async () => (await gauge('keyferry_cluster_up{cluster="hidden"}')) === 1, 2 * LONG_MS);
    const isClosed = async () => (await gauge('keyferry_circuit_open{circuit="cluster:hidden"}')) === undefined;
    await waitFor("its circuit to be closed", isClosed, LONG_MS);
  });

  it("makes the engine unready when there is no other", async () => {
    assert.equal(await engine.stop(), 0);
    await useToken("garbage");
    await fleetOf("hidden");
    await using launched = launchEngine(world);
    const started = await waitFor(
      "the engine",
      async () => launched.logs.find(({ event }) => event === "engine-started"),
      LONG_MS,
    );
    const answer = await waitFor(
      "the watch pass",
      async () => {
        const { status: code, text } = await ask(`${started.listening}/readyz`).then(async (found) => ({
          status: found.status,
          text: await found.text(),
        }));
        return text.startsWith("no cluster can be read") && { code, text };
      },
      LONG_MS,
    );
    assert.deepEqual(answer, { code: 503, text: "no cluster can be read: hidden\n" });
    assert.equal((await ask(`${started.listening}/healthz`)).status, 200);
    assert.equal(await launched.stop(), 0);
  });
});
