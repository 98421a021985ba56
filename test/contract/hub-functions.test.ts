import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { bundleFunctions } from "../../infra/bundle.ts";
import { parseWatchPasses } from "../../lib/aws/envelopes.ts";
import { dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { adminConfig, argocdIn, clusterSecret } from "../e2e/support/hub.ts";
import { shippedCrds } from "../e2e/support/world.ts";
import { type Dynalite, startDynalite } from "../harness/dynalite.ts";
import { type Cluster, startCluster } from "../harness/index.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";
import { queueEvent, type RunningFunction, startFunction } from "./functions/running.ts";
import { type StandInQueues, standInQueues } from "./hubs/queues.ts";

/** The packaged functions, each in a process of its own: a stand-in for SQS, dynalite for DynamoDB, a real API server. */
describe("the clusters of a hub, on AWS", { timeout: 300_000 }, () => {
  let hub: Cluster;
  let dynalite: Dynalite;
  let queues: StandInQueues;
  let folder: TempFolder;
  let table: string;
  let env: Readonly<Record<string, string>>;
  const bundles = new Map<string, string>();
  const parts = new AsyncDisposableStack();

  before(async () => {
    hub = parts.use(await startCluster({ name: "hub", crds: await shippedCrds() }));
    [dynalite, queues, folder] = await Promise.all([startDynalite(), standInQueues(), tempFolder("hub-functions")]);
    for (const part of [dynalite, queues, folder]) parts.use(part);
    table = await dynalite.createTable();
    await argocdIn(hub);
    await writeFile(join(folder.path, "hub.kubeconfig"), hub.adminKubeconfig);
    await writeHubs([
      {
        name: "main",
        connect: { kubeconfig: { path: "hub.kubeconfig" } },
        argocd: {},
        defaults: { operatorNamespace: "argocd" },
      },
    ]);
    for (const { name, path } of await bundleFunctions(["tick", "discover"], folder.path)) bundles.set(name, path);
    env = {
      KEYFERRY_TABLE: table,
      ...Object.fromEntries(
        ["RENEW", "NOW", "REFRESH", "DISCOVERY"].map((lane) => [
          `KEYFERRY_${lane}_QUEUE`,
          `${queues.endpoint}/123456789012/${lane.toLowerCase()}`,
        ]),
      ),
      KEYFERRY_ACCEPT_MISSING: "",
      AWS_ENDPOINT_URL_DYNAMODB: dynalite.endpoint,
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
    };
  });
  after(() => parts.disposeAsync());

  const writeHubs = (hubs: readonly object[], clusters: readonly object[] = []) =>
    writeFile(
      join(folder.path, "fleet.yaml"),
      JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", hubs, clusters }),
    );
  const start = (name: string): Promise<RunningFunction> => startFunction(bundles.get(name) ?? "", folder.path, env);
  const store = () => dynamoLeaseStore({ client: dynalite.client, table });
  /** The watch passes that a tick asks for. */
  const tick = async (): Promise<readonly string[]> => {
    await using running = await start("tick");
    const { error } = await running.invoke({});
    assert.equal(error, undefined, JSON.stringify(running.printed()));
    const bodies = queues.taken().discovery ?? [];
    return bodies.flatMap((body) => (parseWatchPasses(body) ?? []).map(({ cluster }) => cluster)).sort();
  };
  /** A tick, and the passes that it asked for. */
  const tickAndPasses = async (discover: RunningFunction): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    await using running = await start("tick");
    await running.invoke({});
    for (const body of queues.taken().discovery ?? []) {
      assert.deepEqual(await discover.invoke(queueEvent({ m: body })), { result: { batchItemFailures: [] } });
    }
    return discover.printed();
  };

  it("are read by a pass that the tick asks for, and known to every function from then on", async () => {
    assert.deepEqual(await tick(), ["hub:main"], "the hub is due, and no cluster is known");
    const data = { server: hub.url, config: adminConfig(hub) };
    await hub.apply([clusterSecret("one", { ...data, name: "one" }), clusterSecret("again", { ...data, name: "two" })]);
    await using discover = await start("discover");
    const lines = await tickAndPasses(discover);
    const [row] = await store().hubs();
    assert.ok(row?.revision);
    const { state } = (await store().hubState("main")) ?? {};
    assert.equal(state?.members.length, 2);
    // The first one by the object's name has the API server.
    const refused = lines.filter(({ event }) => event === "hub-cluster-refused");
    assert.deepEqual(
      refused.map(({ cluster, code }) => [cluster, code]),
      [["one", "CLUSTER_DUPLICATE"]],
    );
    const asked = await tick();
    // Half a minute after its pass the hub is due again.
    const isDue = Date.now() >= row.dueAt;
    const others = asked.filter((name) => !(isDue && name === "hub:main"));
    assert.deepEqual(others, ["two"], "another process knows the cluster, and the hub is not due again");
    await tickAndPasses(discover);
    const rows = await store().clusters();
    assert.deepEqual(
      rows.map(({ name, state: { uid, error } }) => [name, uid, error?.code]),
      [["two", state?.members[0]?.uid, undefined]],
    );
  });

  it("stay while the hub is not read, and leave with it", async () => {
    hub.pause();
    try {
      assert.ok((await store().clusters()).length > 0);
      await tick();
      assert.equal((await store().clusters()).length, 1, "nobody was released");
    } finally {
      hub.resume();
    }
    const cluster = { name: "own", connect: { kubeconfig: { path: "hub.kubeconfig" } } };
    const other = { name: "unread", connect: { kubeconfig: { path: "missing" } }, argocd: {} };
    await writeHubs([other], [cluster]);
    await tick();
    assert.equal((await store().clusters()).length, 1, "the cluster may be one of a hub that was never read");
    await writeHubs([], [cluster]);
    await tick();
    assert.deepEqual([await store().clusters(), await store().hubs()], [[], []]);
  });
});
