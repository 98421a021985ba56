import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import { type Cluster, type ReservedPort, reservePort } from "../harness/index.ts";
import { keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import {
  agentsOf,
  annotations,
  aPod,
  createPod,
  manifests,
  newKey,
  type PodObject,
  type Registration,
  reviews,
  setFailurePolicy,
  untilAsked,
} from "./support/injector.ts";
import { endAll } from "./support/start-place.ts";
import { startWorld, type World } from "./support/world.ts";

const STATUS = "vault.hashicorp.com/agent-inject-status";
const KIND = { apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingWebhookConfiguration" };
const BOTH = ["vault-agent-init", "vault-agent"];

describe("pods with annotations of the Agent Injector", { concurrency: 1 }, () => {
  let world: World;
  let cluster: Cluster;
  let engine: RunningEngine;
  let reserved: ReservedPort;
  let port: number;
  let keyFile: string;
  let registration: Registration;
  let wanted: Readonly<Record<string, string>>;

  before(async () => {
    world = await startWorld({ cluster: { controllers: ["deployment-controller", "replicaset-controller"] } });
    [cluster] = world.clusters as [Cluster];
    reserved = await reservePort();
    port = reserved.port;
    await world.writeFleet(() => ({ injector: { url: `https://127.0.0.1:${port}` } }));
    keyFile = await newKey(world, "one", "first");
    engine = await start();
    registration = await manifests(world, "one", keyFile);
    await cluster.apply(registration);
    await untilAsked(cluster);
    wanted = annotations(world.vault.address);
  });
  after(() => endAll(engine, world, reserved));

  const start = () => startEngine(world, { args: ["--injector-listen", `127.0.0.1:${port}`] });
  const counted = async () => reviews(await engine.metrics());

  it("get an agent when they are created, with a name or with generateName", async () => {
    const { status, pod, message } = await createPod(cluster, aPod({ name: "named", annotations: wanted }));
    assert.equal(status, 201, message);
    assert.deepEqual(agentsOf(pod), BOTH);
    assert.equal(pod.metadata.annotations?.[STATUS], "injected");
    const generated = await createPod(cluster, aPod({ generateName: "generated-", annotations: wanted }));
    assert.deepEqual(agentsOf(generated.pod), BOTH);
    const stored = await cluster.get<PodObject>({ ...generated.pod, apiVersion: "v1", kind: "Pod" });
    assert.deepEqual(stored && agentsOf(stored), BOTH);
  });

  it("get one in a dry run, which counts as no injection", async () => {
    const injections = async () =>
      /injections_by_namespace_total\{[^}]*injection_type="init_and_sidecar"\} (\d+)/.exec(await engine.metrics())?.[1];
    const before = await injections();
    const { status, pod } = await createPod(cluster, aPod({ name: "dry", annotations: wanted }), { dryRun: true });
    assert.equal(status, 201);
    assert.deepEqual(agentsOf(pod), BOTH);
    assert.equal(await cluster.get({ apiVersion: "v1", kind: "Pod", name: "dry" }), undefined);
    assert.equal(await injections(), before);
  });

  it("get one from a Deployment's ReplicaSet", async () => {
    const labels = { app: "web" };
    const template = {
      metadata: { labels, annotations: wanted },
      spec: { containers: [{ name: "app", image: "a/b" }] },
    };
    await cluster.apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "default" },
      spec: { replicas: 2, selector: { matchLabels: labels }, template },
    });
    await cluster.waitFor("two injected pods", async () => {
      const path = "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb";
      const { body } = await cluster.request<{ items: readonly PodObject[] }>("GET", path);
      return body.items.length === 2 && body.items.every((pod) => agentsOf(pod).length === 2);
    });
  });

  it("get one also if they are as large as a pod can be", async () => {
    const env = [{ name: "LARGE", value: "x".repeat(1_000_000) }];
    const containers = [{ name: "app", image: "a/b", env }];
    const { status, pod, message } = await createPod(
      cluster,
      aPod({ name: "large", annotations: wanted }, { containers }),
    );
    assert.equal(status, 201, message);
    assert.deepEqual(agentsOf(pod), BOTH);
  });

  it("are refused with what is wrong, and the log has the same line without values", async () => {
    const wrong = { ...wanted, "vault.hashicorp.com/agent-limits-cpu": "s3cr3t-value" };
    const { status, message } = await createPod(cluster, aPod({ generateName: "wrong-", annotations: wrong }));
    assert.equal(status, 422, message);
    assert.match(
      message,
      /^admission webhook "vault-agent-injector\.keyferry\.dev" denied the request: .*agent-limits-cpu/,
    );
    const line = await cluster.waitFor("the log line", async () =>
      engine.logs.find(({ event, generateName }) => event === "pod-refused" && generateName === "wrong-"),
    );
    assert.deepEqual([line.cluster, line.namespace], ["one", "default"]);
    assert.match(JSON.stringify(line.reasons), /agent-limits-cpu/);
    assert.doesNotMatch(engine.output(), /s3cr3t-value/);
  });

  it("without the annotation, or already there, never reach the webhook", async () => {
    const before = await counted();
    const { status } = await createPod(cluster, aPod({ name: "plain" }));
    assert.equal(status, 201);
    const patch = { metadata: { labels: { changed: "yes" } } };
    const path = "/api/v1/namespaces/default/pods/named";
    const updated = await cluster.request("PATCH", path, patch, { contentType: "application/merge-patch+json" });
    assert.equal(updated.status, 200);
    const excluded = await createPod(cluster, aPod({ name: "system", annotations: wanted }), {
      namespace: "kube-system",
    });
    assert.ok(excluded.status === 201 || excluded.message.includes("service account"), excluded.message);
    assert.deepEqual(await counted(), before);
  });

  it("are injected once by two injectors in a row: the second one is not asked, or leaves them as they are", async () => {
    const [ours] = registration.webhooks as unknown as readonly [{ readonly matchConditions: readonly object[] }];
    // As vault-k8s registers itself: under another name, and with no look at the status.
    const vaultK8s = (name: string): object => ({
      ...registration,
      metadata: { name },
      webhooks: [{ ...ours, name: "vault.hashicorp.com", matchConditions: ours.matchConditions.slice(0, 1) }],
    });
    const created = async (): Promise<readonly [readonly string[], number, number]> => {
      const before = await counted();
      const { pod, message } = await createPod(cluster, aPod({ generateName: "twice-", annotations: wanted }));
      assert.equal(pod.metadata.annotations?.[STATUS], "injected", message);
      const { injected = 0, ignored = 0 } = await counted();
      return [agentsOf(pod), injected - (before.injected ?? 0), ignored - (before.ignored ?? 0)];
    };
    const refused = aPod({ name: "refused", annotations: { "vault.hashicorp.com/agent-inject": "no bool" } });
    await cluster.apply(vaultK8s("vault-agent-injector-cfg"));
    await cluster.waitFor("the one before keyferry to be asked", async () =>
      (await createPod(cluster, refused, { dryRun: true })).message.includes('"vault.hashicorp.com" denied'),
    );
    assert.deepEqual(await created(), [BOTH, 1, 0], "keyferry is not asked");
    await cluster.delete({ ...KIND, name: "vault-agent-injector-cfg" });
    await untilAsked(cluster);
    await cluster.apply(vaultK8s("vault-agent-injector-z"));
    await cluster.waitFor("the one after keyferry to be asked", async () => (await created())[2] === 1);
    assert.deepEqual(await created(), [BOTH, 1, 1], "it leaves the pod as it is");
    await cluster.delete({ ...KIND, name: "vault-agent-injector-z" });
  });

  it("cost no call to a cluster or a Vault", async () => {
    const requests = async (): Promise<number> => {
      const found = (await engine.metrics()).matchAll(/^keyferry_kube_requests_total\{verb="(\w+)",.*\} (\d+)$/gm);
      return [...found].reduce((sum, [, verb, count]) => sum + (verb === "watch" ? 0 : Number(count)), 0);
    };
    const reads = await world.vault.auditedReads();
    /** What the engine itself asks while 20 pods are injected. */
    const asked = async (): Promise<number> => {
      const [before, { injected = 0 }] = [await requests(), await counted()];
      for (let at = 0; at < 20; at++) {
        await createPod(cluster, aPod({ generateName: "many-", annotations: wanted }), { dryRun: true });
      }
      const more = (await requests()) - before;
      assert.equal((await counted()).injected, injected + 20);
      return more;
    };
    // A watch pass, which begins once a minute, asks a few things: it may fall into one of these times, not into all.
    await cluster.waitFor("20 pods that cost no call", async () => (await asked()) === 0);
    assert.deepEqual(await world.vault.auditedReads(), reads);
  });

  it("are reviewed in v1beta1, too; what is no review is refused", async () => {
    const review = (apiVersion: string): object => ({
      apiVersion,
      kind: "AdmissionReview",
      request: {
        uid: "u-1",
        operation: "CREATE",
        namespace: "default",
        kind: { kind: "Pod" },
        object: aPod({ name: "x" }),
      },
    });
    const answer = await post(registration, JSON.stringify(review("admission.k8s.io/v1beta1")));
    assert.equal(answer.status, 200);
    const { apiVersion, response } = JSON.parse(answer.text) as { apiVersion: string; response: object };
    assert.deepEqual([apiVersion, response], ["admission.k8s.io/v1beta1", { uid: "u-1", allowed: true }]);
    assert.equal((await post(registration, "{}")).status, 400);
    assert.equal((await post(registration, "{")).status, 400);
    assert.equal((await post(registration, "x".repeat(4 * 1_024 * 1_024))).status, 413);
    assert.equal((await post(registration, "{}", { "content-type": "text/plain" })).status, 415);
    assert.equal((await post(registration, "{}", {}, "/c/one/wrong/mutate")).status, 404);
  });

  it("are checked by a command that names what is wrong", async () => {
    const where = ["--fleet", world.fleetPath, "-o", "json"];
    const { code, stdout, stderr } = await keyferry(["injector", "check", "one", ...where]);
    assert.equal(code, 1, stderr);
    const checked = JSON.parse(stdout) as { isReached: boolean; isInjected: boolean; registration: string };
    // fleet.yaml says nothing about Vault: the pod of the command can't be injected.
    assert.deepEqual([checked.isReached, checked.isInjected], [true, false]);
    assert.match(checked.registration, /with a key of fleet\.yaml$/);
  });

  it("have a new key when it is replaced: both are valid meanwhile, the old one is not afterwards", async () => {
    const next = await newKey(world, "one", "second");
    keyFile = next;
    const both = async (found: Registration) =>
      (await post(found, "{}")).status === 400 && (await post(registration, "{}")).status === 400;
    const replaced = await manifests(world, "one", next);
    await cluster.waitFor("both keys to be valid", () => both(replaced));
    await cluster.apply(replaced);
    const fleet = parse(await readFile(world.fleetPath, "utf8")) as { clusters: [{ injector: { keys: string[] } }] };
    assert.equal(fleet.clusters[0].injector.keys.length, 2);
    // A third key would push out one that the API server may still use.
    const third = await keyferry(["injector", "key", "one", "--write", "--fleet", world.fleetPath]);
    assert.deepEqual([third.code, third.stdout], [2, ""]);
    assert.match(third.stderr, /cluster one has two keys in .* already/);
    fleet.clusters[0].injector.keys.pop();
    await writeFile(world.fleetPath, JSON.stringify(fleet));
    await cluster.waitFor("the old key to be over", async () => (await post(registration, "{}")).status === 404);
    await untilAsked(cluster);
    assert.deepEqual(agentsOf((await createPod(cluster, aPod({ name: "rotated", annotations: wanted }))).pod), BOTH);
    registration = replaced;
  });

  it("are found by a label of their namespace in clusters without matchConditions", async () => {
    const metadata = { name: "labelled", labels: { "keyferry.dev/inject": "enabled" } };
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata });
    await cluster.apply(await manifests(world, "one", keyFile, "--by", "namespace-label"));
    const pod = aPod({ generateName: "labelled-", annotations: wanted });
    await cluster.waitFor("the label to count", async () => {
      const { status, pod: created } = await createPod(cluster, pod, { namespace: "labelled", dryRun: true });
      const other = await createPod(cluster, pod, { dryRun: true });
      return status === 201 && agentsOf(created).length === 2 && agentsOf(other.pod).length === 0;
    });
    const before = (await counted()).ignored ?? 0;
    assert.equal((await createPod(cluster, aPod({ name: "plain" }), { namespace: "labelled" })).status, 201);
    assert.equal((await counted()).ignored, before + 1, "all pods of the namespace are sent");
    await cluster.apply(registration);
    await untilAsked(cluster);
  });

  it("are refused by Fail while the webhook is down, and have no agent by Ignore; others are created", async () => {
    await engine.stop();
    const failed = await createPod(cluster, aPod({ name: "down", annotations: wanted }));
    assert.equal(failed.status, 500);
    assert.match(failed.message, /failed calling webhook "vault-agent-injector\.keyferry\.dev"/);
    // docs/injector.md warns of it.
    const { pathname } = new URL(registration.webhooks[0].clientConfig.url);
    assert.ok(failed.message.includes(pathname), "the API server's message has the key");
    assert.equal((await createPod(cluster, aPod({ name: "plain-meanwhile" }))).status, 201);
    await setFailurePolicy(cluster, "Ignore");
    await cluster.waitFor("Ignore to hold", async () => {
      const { status, pod } = await createPod(cluster, aPod({ generateName: "ignored-", annotations: wanted }));
      return status === 201 && agentsOf(pod).length === 0;
    });
    await setFailurePolicy(cluster, "Fail");
    engine = await start();
    await untilAsked(cluster);
    const data = join(world.folder, "data");
    const caBundle = registration.webhooks[0].clientConfig.caBundle ?? "";
    const ca = JSON.parse(await readFile(join(data, "injector-ca.json"), "utf8")) as { cert: string }[];
    assert.equal(Buffer.from(caBundle, "base64").toString().trim(), ca[0]?.cert.trim(), "it has the same CA again");
  });
});

async function post(
  { webhooks: [{ clientConfig }] }: Registration,
  body: string,
  headers: Readonly<Record<string, string>> = {},
  path?: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const url = new URL(clientConfig.url);
  if (path !== undefined) url.pathname = path;
  const ca = Buffer.from(clientConfig.caBundle ?? "", "base64");
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, method: "POST", headers: { "content-type": "application/json", ...headers } });
    sent.on("response", (answer) => {
      text(answer).then((found) => resolve({ status: answer.statusCode ?? 0, text: found }), reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
