import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { type Cluster, type ReservedPort, reservePort, type Vault } from "../harness/index.ts";
import { keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import {
  agentsOf,
  annotations,
  aPod,
  createPod,
  registrationOf,
  setFailurePolicy,
  unregister,
  untilAsked,
} from "./support/injector.ts";
import { endAll } from "./support/start-place.ts";
import { startWorld, type World } from "./support/world.ts";

const BOTH = ["vault-agent-init", "vault-agent"];
const ACCOUNT = { namespace: "keyferry", name: "keyferry" };

describe("a cluster whose registration keyferry manages", { concurrency: 1 }, () => {
  let world: World;
  let cluster: Cluster;
  let vault: Vault;
  let engine: RunningEngine;
  let reserved: ReservedPort;
  let port: number;

  before(async () => {
    world = await startWorld();
    [cluster] = world.clusters as [Cluster];
    ({ vault } = world);
    reserved = await reservePort();
    port = reserved.port;
    await writeFleet();
    // Exactly the permissions that bootstrap prints.
    const printed = await keyferry(["bootstrap", "one", "--fleet", world.fleetPath, "-o", "yaml"]);
    assert.equal(printed.code, 0, printed.stderr);
    await cluster.apply(parseAllDocuments(printed.stdout).map((document) => document.toJS() as object));
    await writeFile(
      join(world.folder, "keyferry.kubeconfig"),
      await cluster.kubeconfigFor({ serviceAccount: ACCOUNT }),
    );
    engine = await start();
    await untilAsked(cluster);
  });
  after(() => endAll(engine, world, reserved));

  const start = () => startEngine(world, { args: ["--injector-listen", `127.0.0.1:${port}`] });
  const writeFleet = (more: object = {}): Promise<string> =>
    world.writeFleet(() => ({
      connect: { kubeconfig: { path: "keyferry.kubeconfig" } },
      vault: { address: vault.address },
      injector: { url: `https://127.0.0.1:${port}`, manage: true, vaultAddress: vault.address, ...more },
    }));
  const create = () => createPod(cluster, aPod({ generateName: "web-", annotations: annotations(vault.address) }));

  it("is registered by three verbs on one name, with a key that keyferry made", async () => {
    const { pod, message } = await create();
    assert.deepEqual(agentsOf(pod), BOTH, message);
    const url = (await registrationOf(cluster))?.webhooks[0].clientConfig.url ?? "";
    assert.match(url, /^https:\/\/127\.0\.0\.1:\d+\/c\/one\/[\w-]{43}\/mutate$/);
    assert.doesNotMatch(engine.output(), new RegExp(url.split("/")[5] ?? "-"));
  });

  it("is the same after a restart, and gets what changed: the URL, and a registration that was removed", async () => {
    const before = await registrationOf(cluster);
    await engine.stop();
    await unregister(cluster);
    await setUrl("localhost");
    engine = await start();
    const after = await cluster.waitFor("the new registration", () => registrationOf(cluster));
    assert.equal(
      after.webhooks[0].clientConfig.url,
      before?.webhooks[0].clientConfig.url.replace("127.0.0.1", "localhost"),
    );
    await untilAsked(cluster);
    assert.deepEqual(agentsOf((await create()).pod), BOTH);
  });

  it("keeps a failurePolicy that a person set, while its URL changes", async () => {
    await setFailurePolicy(cluster, "Ignore");
    await engine.stop();
    await setUrl("127.0.0.1");
    engine = await start();
    const changed = await cluster.waitFor("the URL to be changed back", async () => {
      const found = await registrationOf(cluster);
      return found?.webhooks[0].clientConfig.url.includes("//127.0.0.1:") && found;
    });
    assert.equal((changed.webhooks[0] as { failurePolicy?: string }).failurePolicy, "Ignore");
    await setFailurePolicy(cluster, "Fail");
  });

  it("is checked by a command, which names a vault-k8s beside it", async () => {
    const configuration = {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "MutatingWebhookConfiguration",
      metadata: { name: "vault-agent-injector-cfg" },
      webhooks: [
        {
          name: "vault.hashicorp.com",
          admissionReviewVersions: ["v1"],
          clientConfig: { url: "https://127.0.0.1:9/mutate" },
          rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
          failurePolicy: "Ignore",
          sideEffects: "None",
          timeoutSeconds: 1,
        },
      ],
    };
    await untilAsked(cluster);
    await cluster.apply(configuration);
    const person = ["--kubeconfig", cluster.kubeconfigPath];
    const check = ["injector", "check", "one", "--fleet", world.fleetPath];
    const { code, stdout, stderr } = await keyferry([...check, ...person, "-o", "json"]);
    const checked = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
    assert.equal(code, 0, stderr + stdout);
    assert.deepEqual([checked.isReached, checked.isInjected], [true, true]);
    assert.deepEqual(checked.vaultK8s, ["vault-agent-injector-cfg"]);
    assert.ok(Number(checked.ms) > 0);
    const table = await keyferry([...check, ...person]);
    assert.match(table.stdout, /reached +yes/);
    assert.match(table.stdout, /vault-agent-injector-cfg/);
    // keyferry's own account may not create pods.
    const own = await keyferry(check);
    assert.equal(own.code, 1);
    assert.match(own.stderr, /^KUBE_DENIED: .*create pods/);
  });

  it("has a command that renders a pod without any cluster", async () => {
    const path = join(world.folder, "pod.json");
    await writeFile(path, JSON.stringify(aPod({ name: "web", annotations: annotations(vault.address) })));
    const { code, stdout, stderr } = await keyferry([
      "injector",
      "render",
      path,
      "--fleet",
      world.fleetPath,
      "-o",
      "json",
    ]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(agentsOf(JSON.parse(stdout)), BOTH);
    const { pod } = await createPod(cluster, JSON.parse(stdout) as object, { dryRun: true });
    assert.equal(pod.metadata.name, "web", "the API server takes what it prints");
    await writeFile(
      path,
      JSON.stringify(aPod({ name: "web", annotations: { "vault.hashicorp.com/agent-inject": "yes" } })),
    );
    const refused = await keyferry(["injector", "render", path, "--fleet", world.fleetPath]);
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.match(refused.stderr, /the pod is refused: .*agent-inject/);
  });

  async function setUrl(host: string): Promise<void> {
    await writeFleet({ url: `https://${host}:${port}` });
  }
});
