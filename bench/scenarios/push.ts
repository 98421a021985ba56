import { setTimeout as sleep } from "node:timers/promises";
import { startEngine } from "../../test/e2e/support/engine.ts";
import { aDeployment, allowPush, aSecret, named } from "../../test/e2e/support/pushing.ts";
import { startWorld, type World } from "../../test/e2e/support/world.ts";
import type { Cluster } from "../../test/harness/index.ts";
import { WORKLOAD_CONTROLLERS } from "../../test/workloads.ts";
import { countBytes } from "../byte-counter.ts";
import { type Figure, figure, mustBe, percentile } from "../figures.ts";
import { inParallel, NAMESPACE, sum, until } from "../setting.ts";
import { idlePushes } from "./push-cost.ts";

const OBJECTS = 1_000;
const CHANGES = 200;
const POLL_MS = 5;
const PATIENCE_MS = 300_000;
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
const METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const MERGE = { contentType: "application/merge-patch+json" };

/** From a Secret's change to its version in Vault; bytes of a rollout of all Deployments; the cost of being idle. */
export async function push(): Promise<readonly Figure[]> {
  return [...(await delay()), ...(await rollout()), ...(await idlePushes())];
}

const total = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
const numbered = (prefix: string, count: number) => Array.from({ length: count }, (_, at) => `${prefix}-${at}`);

async function startPushing(): Promise<{ readonly world: World; readonly cluster: Cluster }> {
  const world = await startWorld({ clusters: ["bench"], cluster: { controllers: WORKLOAD_CONTROLLERS } });
  const [cluster] = world.clusters;
  if (!cluster) throw new Error("no cluster");
  await world.namespace(cluster, NAMESPACE);
  await allowPush(world, { secrets: "watch" });
  return { world, cluster };
}

async function versionsOf({ vault }: World, path: string): Promise<number> {
  const { body } = await vault.request<{ data?: { current_version: number } }>("GET", `kv/metadata/${path}`);
  return body.data?.current_version ?? 0;
}

/** Half of the objects are Secrets that push themselves, half are Deployments that push a Secret each. */
async function delay(): Promise<readonly Figure[]> {
  const { world, cluster } = await startPushing();
  await using _world = world;
  const own = numbered("own", OBJECTS / 2);
  const mounted = numbered("mounted", OBJECTS / 2);
  const base = `apps/${NAMESPACE}`;
  await inParallel(own, async (name) => {
    await cluster.apply(aSecret(NAMESPACE, name, { password: "0" }, named({ path: `kv/${base}/${name}` })));
  });
  await inParallel(mounted, async (name) => {
    await cluster.apply(aSecret(NAMESPACE, name, { password: "0" }));
    await cluster.apply(aDeployment(NAMESPACE, name, named({ path: `kv/${base}/${name}` }), [name]));
  });
  const pathOf = (name: string): string => (name.startsWith("own") ? `${base}/${name}` : `${base}/${name}/${name}`);
  const all = [...own, ...mounted];
  const startedAt = performance.now();
  await using _engine = await startEngine(world, { args: ["--log-level", "info"] });
  await inParallel(all, (name) => until(name, PATIENCE_MS, async () => (await versionsOf(world, pathOf(name))) === 1));
  const first = performance.now() - startedAt;
  // A path gets one version in 30 s, and a row runs once more after its first push.
  await sleep(40_000);
  const samples: number[] = [];
  for (let at = 0; at < CHANGES; at++) {
    const name = (at % 2 === 0 ? own : mounted)[at] ?? "";
    samples.push(await changed(world, cluster, name, pathOf(name)));
  }
  const versions = await Promise.all(all.map((name) => versionsOf(world, pathOf(name))));
  const share = (part: number) => percentile(samples, part) / 1_000;
  const scenario = "push, watch";
  return [
    figure(scenario, `${OBJECTS} objects, from the start until all are in Vault`, first / 1_000, "s"),
    figure(scenario, `${CHANGES} Secrets' changes to Vault, p50`, share(0.5), "s", "< 0.5"),
    figure(scenario, "p99", share(0.99), "s", "< 2"),
    figure(scenario, "max", Math.max(...samples) / 1_000, "s"),
    mustBe(scenario, "versions", total(versions), OBJECTS + CHANGES),
  ];
}

interface Read {
  readonly data?: { readonly data?: Readonly<Record<string, string>> };
}

async function changed({ vault }: World, cluster: Cluster, name: string, path: string): Promise<number> {
  const data = { password: Buffer.from("1").toString("base64") };
  await cluster.request("PATCH", `/api/v1/namespaces/${NAMESPACE}/secrets/${name}`, { data }, MERGE);
  const startedAt = performance.now();
  const isThere = async (): Promise<boolean> => {
    const { body } = await vault.request<Read>("GET", `kv/data/${path}`);
    return body.data?.data?.password === "1";
  };
  while (!(await isThere())) {
    if (performance.now() - startedAt > 60_000) throw new Error(`${name} did not follow within a minute`);
    await sleep(POLL_MS);
  }
  return performance.now() - startedAt;
}

/** All Deployments get a new pod template, as in a rollout of the whole cluster. */
async function rollout(): Promise<readonly Figure[]> {
  const { world, cluster } = await startPushing();
  await using _world = world;
  const names = numbered("web", OBJECTS);
  await cluster.apply(aSecret(NAMESPACE, "db", { password: "0" }));
  await inParallel(names, async (name) => {
    await cluster.apply(aDeployment(NAMESPACE, name, named({ path: `kv/apps/${NAMESPACE}/${name}` }), ["db"]));
  });
  await using counter = await countBytes(cluster);
  await using engine = await startEngine(world, { args: ["--log-level", "info"] });
  const path = (name: string) => `apps/${NAMESPACE}/${name}/db`;
  await inParallel(names, (name) => until(name, PATIENCE_MS, async () => (await versionsOf(world, path(name))) === 1));
  const quiet = () => isQuiet(counter.received);
  await quiet();
  const [before, requestsBefore] = [counter.received(), await requestsOf(engine.metrics)];
  const template = { metadata: { annotations: { "example.com/release": "2" } } };
  await inParallel(names, async (name) => {
    await cluster.request("PATCH", `${DEPLOYMENTS}/${name}`, { spec: { template } }, MERGE);
  });
  await quiet();
  const [bytes, requests] = [counter.received() - before, (await requestsOf(engine.metrics)) - requestsBefore];
  const [metadata, whole] = await Promise.all([
    cluster.request("GET", DEPLOYMENTS, undefined, { headers: { accept: METADATA } }),
    cluster.request("GET", DEPLOYMENTS),
  ]);
  const versions = await Promise.all(names.map((name) => versionsOf(world, path(name))));
  const scenario = `rollout of ${OBJECTS} Deployments`;
  return [
    figure(scenario, "from the API server to keyferry, all included", bytes / 1e6, "MB"),
    figure(scenario, "for each Deployment", bytes / OBJECTS / 1e3, "kB"),
    figure(scenario, "whole reads of a Deployment", requests, "", `<= ${OBJECTS}`),
    figure(scenario, "a list of all, by metadata", metadata.text.length / 1e6, "MB"),
    figure(scenario, "a list of all, whole", whole.text.length / 1e6, "MB"),
    mustBe(scenario, "versions written", total(versions) - OBJECTS, 0),
  ];
}

async function requestsOf(metrics: () => Promise<string>): Promise<number> {
  return sum(await metrics(), "keyferry_kube_requests_total", { verb: "get", resource: "deployments" });
}

/** Until less than a bookmark's bytes come in five seconds. */
async function isQuiet(received: () => number): Promise<void> {
  for (let before = received(), rounds = 0; rounds < 60; rounds++) {
    await sleep(5_000);
    if (received() - before < 50_000) return;
    before = received();
  }
  throw new Error("the API server goes on sending");
}
