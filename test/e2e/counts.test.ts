import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../harness/index.ts";
import { aWorkload } from "../workloads.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { vsoIn } from "./support/vso.ts";
import { aStaticSecret, authMount, startWorld, type World } from "./support/world.ts";

const NS = "counted";

/** What the world was asked, by the world's own counters where it has any. */
interface Counts {
  readonly vaultReads: number;
  readonly logins: number;
  readonly kube: ReadonlyMap<string, number>;
  readonly storeWrites: number;
  readonly claims: number;
}

/** Looks at clusters and ticks go on by themselves: they are not part of a refresh. */
const NOT_OF_A_REFRESH = new Set(["get namespaces", "get configmaps", "create configmaps", "get leases"]);

describe("counted: what a refresh costs", () => {
  let world: World;
  let engine: RunningEngine;
  let cluster: Cluster;

  before(async () => {
    world = await startWorld({ clusters: ["one"] });
    const [first] = world.clusters;
    if (!first) throw new Error("no cluster");
    cluster = first;
    await world.namespace(cluster, NS);
    // One that is missing would be asked for again each minute.
    await vsoIn(cluster).putHmacKey();
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const sample = (metrics: string, name: string, labels: string): number => {
    const line = metrics.split("\n").find((text) => text.startsWith(`${name}{${labels}}`));
    return line === undefined ? 0 : Number(line.split(" ").at(-1));
  };

  async function count(): Promise<Counts> {
    const [metrics, audited] = await Promise.all([engine.metrics(), world.vault.auditedReads()]);
    const kube = new Map<string, number>();
    for (const [, verb, resource, times] of metrics.matchAll(
      /keyferry_kube_requests_total\{verb="(\w+)",resource="([\w/]+)"\} (\d+)/g,
    )) {
      const name = `${verb} ${resource}`;
      if (verb !== "watch" && verb !== "list" && !NOT_OF_A_REFRESH.has(name)) kube.set(name, Number(times));
    }
    const reads = [...audited].filter(([name]) => name.startsWith("read kv/data/"));
    const store = (operation: string) => sample(metrics, "keyferry_store_operations_total", `operation="${operation}"`);
    return {
      vaultReads: reads.reduce((sum, [, times]) => sum + times, 0),
      logins: audited.get(`update auth/${authMount(cluster)}/login`) ?? 0,
      kube,
      // dispatchedUntil and the rows of clusters are moved by ticks and watch passes, whatever there is to refresh.
      storeWrites: store("writes") - store("moveDispatched") - store("claimCluster") - store("saveCluster"),
      claims: store("claim"),
    };
  }

  function difference(now: Counts, then: Counts): Record<string, number> {
    const kube = [...now.kube]
      .map(([name, times]) => [name, times - (then.kube.get(name) ?? 0)] as const)
      .filter(([, times]) => times !== 0);
    return {
      vaultReads: now.vaultReads - then.vaultReads,
      logins: now.logins - then.logins,
      storeWrites: now.storeWrites - then.storeWrites,
      ...Object.fromEntries(kube),
    };
  }

  const synced = (name: string, password: string) =>
    cluster.waitFor(`${name} to be synced`, async () => {
      const secret = await cluster.get({ apiVersion: "v1", kind: "Secret", namespace: NS, name });
      return Buffer.from(secret?.data?.password ?? "", "base64").toString() === password;
    });

  /** Declares 25 syncs of one path, and waits until all are settled. */
  async function declareSharers(path: string, refreshAfter: string): Promise<void> {
    await world.vault.putKv("kv", path, { password: "one" });
    const names = Array.from({ length: 25 }, (_, at) => `${path}-${at}`);
    await cluster.apply(names.map((name) => aStaticSecret(NS, name, { path, refreshAfter })));
    engine ??= await startEngine(world);
    await Promise.all(names.map((name) => synced(name, "one")));
    // Settles and events follow the Secrets.
    await sleep(2_000);
  }

  it("25 syncs that share identity and path: one login and one Vault read", async () => {
    await declareSharers("shared", "1h");
    const cold = await count();
    assert.equal(cold.logins, 1);
    assert.equal(cold.vaultReads, 1);
    assert.equal(cold.kube.get("patch secrets"), 25);
    assert.equal(cold.kube.get("get secrets"), 1, "the HMAC key, once");
  });

  it("25 syncs that share identity and path: one Vault read for each refresh, no further login", async () => {
    await declareSharers("turning", "20s");
    // The refresh slots are 18 s apart: after one of them there is time to count until the next.
    const aRefreshAfter = async (then: Counts): Promise<Counts> => {
      await cluster.waitFor("a refresh slot", async () => (await count()).vaultReads > then.vaultReads, 30_000);
      await sleep(1_500);
      return count();
    };
    const first = await aRefreshAfter(await count());
    assert.deepEqual(difference(await aRefreshAfter(first), first), { vaultReads: 1, logins: 0, storeWrites: 0 });
    await Promise.all(Array.from({ length: 25 }, (_, at) => cluster.delete(aStaticSecret(NS, `turning-${at}`))));
    await sleep(8_000);
  });

  it("kubernetes-rules 8: an unchanged refresh: 1 Vault read, 0 API-server calls, 0 store writes", async () => {
    await world.vault.putKv("kv", "steady", { password: "one" });
    await cluster.apply(aStaticSecret(NS, "steady", { refreshAfter: "5s" }));
    await synced("steady", "one");
    await sleep(3_000);
    const then = await count();
    await sleep(13_000);
    const { vaultReads, ...rest } = difference(await count(), then);
    // 13 s hold three refresh slots of 4 s, or four.
    assert.ok(vaultReads === 3 || vaultReads === 4, `${vaultReads} reads`);
    assert.deepEqual(rest, { logins: 0, storeWrites: 0 });
  });

  it("a changed refresh: 1 Vault read, 1 apply, at most 1 status write and 1 event, at most 3 store writes", async () => {
    await cluster.apply(aStaticSecret(NS, "steady", { refreshAfter: "20s" }));
    await sleep(3_000);
    // Right after a refresh slot, so that the next one finds the change and none comes between.
    const settled = await count();
    await cluster.waitFor("a refresh slot", async () => (await count()).vaultReads > settled.vaultReads, 30_000);
    await sleep(1_000);
    const then = await count();
    await world.vault.putKv("kv", "steady", { password: "two" });
    await cluster.waitFor("the new password", async () => (await synced("steady", "two")) ?? true, 30_000);
    await sleep(2_000);
    const seen = difference(await count(), then);
    assert.equal(seen.vaultReads, 1);
    assert.equal(seen["patch secrets"], 1);
    assert.ok((seen["patch vaultstaticsecrets/status"] ?? 0) <= 1);
    assert.equal(seen["create events"], 1);
    assert.ok((seen.storeWrites ?? 9) <= 3, `${seen.storeWrites} store writes`);
    assert.equal(seen["get secrets"], undefined);
    assert.equal(seen["get vaultstaticsecrets"], undefined);
  });

  it("a hand edit: one observation and one apply", async () => {
    const then = await count();
    await cluster.request(
      "PATCH",
      `/api/v1/namespaces/${NS}/secrets/steady`,
      { data: { password: "eA==" } },
      {
        contentType: "application/merge-patch+json",
      },
    );
    await synced("steady", "two");
    await sleep(1_500);
    const seen = difference(await count(), then);
    assert.equal(seen["get secrets"], 1);
    assert.equal(seen["patch secrets"], 1);
    assert.equal(seen["patch vaultstaticsecrets/status"], undefined, "nothing changed in the status");
  });

  it("a changed refresh with a target: 1 get and 1 patch of the workload more, in a run of its own", async () => {
    const target = { kind: "Deployment", name: "targeted" } as const;
    await cluster.apply(aWorkload(NS, target));
    await world.vault.putKv("kv", "targeted", { password: "one" });
    const declared = aStaticSecret(NS, "targeted", { refreshAfter: "1h", rolloutRestartTargets: [target] });
    await cluster.apply(declared);
    const settled = async () =>
      sample(await engine.metrics(), "keyferry_syncs_total", 'cluster="one",result="settled"');
    const readsOf = async () => (await world.vault.auditedReads()).get("read kv/data/targeted") ?? 0;
    const isTold = async () => "conditions" in (((await cluster.get(declared))?.status as object) ?? {});
    await cluster.waitFor("the first settle", isTold);
    await sleep(3_000);
    const [then, runs, reads] = await Promise.all([count(), settled(), readsOf()]);
    await world.vault.putKv("kv", "targeted", { password: "two" });
    const annotations = { "keyferry.dev/refresh": "now" };
    await cluster.apply({ ...declared, metadata: { ...declared.metadata, annotations } });
    // The write, and seconds later the restart; refresh slots of others are unchanged and settle nothing.
    await cluster.waitFor("both runs", async () => (await settled()) >= runs + 2, 60_000);
    const seen = difference(await count(), then);
    assert.equal(seen["get deployments"], 1);
    assert.equal(seen["patch deployments"], 1);
    assert.equal(seen["patch secrets"], 1);
    assert.equal((await readsOf()) - reads, 2);
    assert.ok((seen["patch vaultstaticsecrets/status"] ?? 0) <= 2);
    assert.equal(seen["create events"], 2, "SecretSynced, RolloutRestartTriggered");
    assert.ok((seen.storeWrites ?? 9) <= 6, `${seen.storeWrites} store writes`);
  });
});
