import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { bundleFunctions } from "../../infra/bundle.ts";
import { MINUTE_MS } from "../../lib/clock.ts";
import { type DynamoStore, dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { shippedCrds } from "../e2e/support/world.ts";
import { type Dynalite, startDynalite } from "../harness/dynalite.ts";
import { type Cluster, startCluster, startVault, type Vault, waitFor } from "../harness/index.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";
import { passesDue } from "../passes-due.ts";
import { standInParameters } from "./functions/parameters.ts";
import { queueEvent, type RunningFunction, startFunction } from "./functions/running.ts";
import { type StandInQueues, standInQueues } from "./hubs/queues.ts";

const NS = "shop";
const PATH = `apps/${NS}/db`;
const WRITER = ["kv/data/apps/*", "kv/delete/apps/*"]
  .map((path) => `path "${path}" { capabilities = ["create", "read", "update"] }`)
  .join("\n");

/**
 * The packaged functions, each in a process of its own: a stand-in for SQS, dynalite for DynamoDB, a real cluster and Vault.
 * Both tests wait for half a minute between two writes of a path, and share the turns.
 */
describe("pushes on AWS", { timeout: 900_000, concurrency: 2 }, () => {
  let cluster: Cluster;
  let vault: Vault;
  let dynalite: Dynalite;
  let queues: StandInQueues;
  let folder: TempFolder;
  let tick: RunningFunction;
  let discover: RunningFunction;
  let reconcile: RunningFunction;
  let leases: DynamoStore;
  const parts = new AsyncDisposableStack();

  before(async () => {
    [cluster, vault] = await Promise.all([startCluster({ name: "one", crds: await shippedCrds() }), startVault()]);
    parts.use(cluster);
    parts.use(vault);
    [dynalite, queues, folder] = await Promise.all([startDynalite(), standInQueues(), tempFolder("push-functions")]);
    for (const part of [dynalite, queues, folder]) parts.use(part);
    const parameters = parts.use(await standInParameters());
    await allowPush();
    const table = await dynalite.createTable();
    // Server and client are one process on a machine that may be busy: a request that is late is not one that failed.
    leases = dynamoLeaseStore({ client: dynalite.client, table, timeoutMs: 2 * MINUTE_MS });
    const env = {
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
      AWS_ENDPOINT_URL_SSM: parameters.endpoint,
    };
    const bundles = await bundleFunctions(["tick", "discover", "reconcile"], folder.path);
    const start = async (name: string): Promise<RunningFunction> => {
      const { path } = bundles.find((bundle) => bundle.name === name) ?? assert.fail(name);
      return parts.use(await startFunction(path, folder.path, env));
    };
    tick = await start("tick");
    discover = await start("discover");
    reconcile = await start("reconcile");
  });
  after(() => parts.disposeAsync());

  async function allowPush(): Promise<void> {
    await vault.enableKv("kv", 2);
    await vault.writePolicy("push", WRITER);
    await vault.enableKubernetesAuth(cluster, { mount: "kubernetes-one" });
    await vault.write("auth/kubernetes-one/role/push", {
      ...{ bound_service_account_names: ["app"], bound_service_account_namespaces: ["*"] },
      ...{ token_policies: ["push"], audience: "vault", token_ttl: "1h" },
    });
    await cluster.apply([
      { apiVersion: "v1", kind: "Namespace", metadata: { name: NS } },
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "app", namespace: NS } },
    ]);
    const identity = { mount: "kubernetes-one", role: "push", serviceAccount: { name: "app" }, audiences: ["vault"] };
    const one = {
      name: "one",
      connect: { kubeconfig: { path: "one.kubeconfig" } },
      vault: { name: "main" },
      push: { kinds: ["Secret", "VaultPushSecret"], paths: ["kv/apps/{namespace}/**"], identity },
    };
    const vaults = [{ name: "main", addresses: [vault.address] }];
    const fleet = { apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", vaults, clusters: [one] };
    await writeFile(join(folder.path, "fleet.yaml"), JSON.stringify(fleet));
    await writeFile(join(folder.path, "one.kubeconfig"), cluster.adminKubeconfig);
  }

  /** A tick, the watch passes and the runs that it asked for. Each message comes twice. */
  const oneTurn = async (): Promise<void> => {
    await passesDue(leases);
    await tick.invoke({});
    const { discovery = [], ...first } = queues.taken();
    for (const body of discovery) await discover.invoke(queueEvent({ m: body }));
    const second = queues.taken();
    const bodies = [...Object.values(first).flat(), ...Object.values({ ...second, discovery: [] }).flat()];
    for (const body of [...bodies, ...bodies]) await reconcile.invoke(queueEvent({ m: body }));
  };
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  /** A function takes one event after the other: whoever asks during a turn gets the next one. */
  const turn = (): Promise<void> => {
    next ??= underWay.then(() => {
      next = undefined;
      const began = oneTurn();
      underWay = began.catch(() => undefined);
      return began;
    });
    return next;
  };
  const until = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
    const isThere = async (): Promise<boolean> => {
      await turn();
      return isSo();
    };
    try {
      await waitFor(what, isThere, 120_000);
    } catch (cause) {
      const lines = [tick, discover, reconcile].flatMap((running) => running.printed());
      throw new Error(`${what}: ${JSON.stringify(lines.filter(({ event }) => event).slice(-20))}`, { cause });
    }
  };
  const held = async (): Promise<string> => JSON.stringify((await vault.read(`kv/data/${PATH}`))?.data.data);
  const aSecret = (text: string) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "db", namespace: NS, annotations: { "vault-sync.io/path": `kv/data/${PATH}` } },
    data: { password: Buffer.from(text).toString("base64") },
  });

  it("a Secret is pushed, changed and deleted: one version for each change", async () => {
    await cluster.apply(aSecret("one"));
    await until("the path", async () => (await held()) === '{"password":"one"}');
    await turn();
    await cluster.apply(aSecret("two"));
    await until("the new password", async () => (await held()) === '{"password":"two"}');
    const metadata = (await vault.read(`kv/metadata/${PATH}`))?.data;
    assert.equal(metadata?.current_version, 2);
    await cluster.delete({ apiVersion: "v1", kind: "Secret", namespace: NS, name: "db" });
    await until("the path to go", async () => (await held()) === undefined);
  });

  it("a VaultPushSecret is pushed, told in its status, changed and deleted", async () => {
    const at = `apps/${NS}/store/web`;
    const heldThere = async (): Promise<string> => JSON.stringify((await vault.read(`kv/data/${at}`))?.data.data);
    const resource = {
      apiVersion: "keyferry.dev/v1alpha1",
      kind: "VaultPushSecret",
      metadata: { name: "web", namespace: NS, labels: { part: "store" } },
      spec: {
        destination: { mount: "kv", path: "apps/{namespace}/{labels.part}/{name}" },
        sources: [{ secretRef: { name: "web" }, keys: [{ key: "password", field: "PASSWORD" }] }],
      },
    };
    const { annotations: _none, ...metadata } = { ...aSecret("").metadata, name: "web" };
    await cluster.apply({ ...aSecret("one"), metadata });
    await cluster.apply(resource);
    await until("the path", async () => (await heldThere()) === '{"PASSWORD":"one"}');
    await until("its status", async () => {
      const found = await cluster.get({ ...resource, namespace: NS, name: "web" });
      const { lastPushed } = (found?.status ?? {}) as { readonly lastPushed?: object };
      return JSON.stringify(lastPushed) === `{"path":"kv/${at}","version":1}`;
    });
    await cluster.apply({ ...aSecret("two"), metadata });
    await until("the new password", async () => (await heldThere()) === '{"PASSWORD":"two"}');
    await cluster.delete({ apiVersion: resource.apiVersion, kind: resource.kind, namespace: NS, name: "web" });
    await until("the path to go", async () => (await heldThere()) === undefined);
  });
});
