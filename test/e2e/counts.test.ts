import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster } from "../harness/index.ts";
import { aWorkload } from "../workloads.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { statusThat } from "./support/status-that.ts";
import { vsoIn } from "./support/vso.ts";
import { aStaticSecret, authMount, startWorld, type World } from "./support/world.ts";

const NS = "counted";
/** No refresh slot of these comes while others are counted: of a day, one run in five hundred would see one. */
const SELDOM = "8000h";
/** A machine that is busy is no defect. */
const PATIENCE_MS = 90_000;

/** What the world was asked, by the world's own counters where it has any. */
interface Counts {
  readonly vaultReads: number;
  readonly logins: number;
  readonly kube: ReadonlyMap<string, number>;
  readonly storeWrites: number;
  readonly claims: number;
  /** Runs of syncs that found nothing new. */
  readonly unchanged: number;
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
    // In this order: whatever the engine has counted, Vault has written down.
    const [metrics, audited] = [await engine.metrics(), await world.vault.auditedReads()];
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
      unchanged: sample(metrics, "keyferry_syncs_total", `cluster="one",result="unchanged"`),
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

  /** How many runs of syncs have ended so. Whatever a run writes was written before it is counted. */
  const runs = async (result: "settled" | "unchanged"): Promise<number> =>
    sample(await engine.metrics(), "keyferry_syncs_total", `cluster="one",result="${result}"`);
  const moreRuns = async (result: "settled" | "unchanged", than: number, more = 1): Promise<void> => {
    await cluster.waitFor(`${more} more ${result}`, async () => (await runs(result)) >= than + more, PATIENCE_MS);
  };

  /** Declares 25 syncs of one path, and waits until all are settled. */
  async function declareSharers(path: string, refreshAfter: string): Promise<void> {
    await world.vault.putKv("kv", path, { password: "one" });
    const names = Array.from({ length: 25 }, (_, at) => `${path}-${at}`);
    const before = engine === undefined ? 0 : await runs("settled");
    await cluster.apply(names.map((name) => aStaticSecret(NS, name, { path, refreshAfter })));
    engine ??= await startEngine(world);
    await Promise.all(names.map((name) => synced(name, "one")));
    await moreRuns("settled", before, names.length);
  }

  it("25 syncs that share identity and path: one login and one Vault read", async () => {
    await declareSharers("shared", SELDOM);
    const cold = await count();
    assert.equal(cold.logins, 1);
    assert.equal(cold.vaultReads, 1);
    assert.equal(cold.kube.get("patch secrets"), 25);
    assert.equal(cold.kube.get("get secrets"), 1, "the HMAC key, once");
  });

  it("25 syncs that share identity and path: one Vault read for each refresh, no further login", async () => {
    await declareSharers("turning", "20s");
    const aRefreshSlot = async (): Promise<Counts> => {
      await moreRuns("unchanged", await runs("unchanged"), 25);
      return count();
    };
    const first = await aRefreshSlot();
    assert.deepEqual(difference(await aRefreshSlot(), first), { vaultReads: 1, logins: 0, storeWrites: 0 });
    await Promise.all(Array.from({ length: 25 }, (_, at) => cluster.delete(aStaticSecret(NS, `turning-${at}`))));
    const areGone = ({ syncs }: { syncs: readonly { key: string }[] }) =>
      !syncs.some(({ key }) => key.includes("/turning-"));
    await statusThat(world, "their rows to go", areGone);
  });

  it("kubernetes-rules 8: an unchanged refresh: 1 Vault read, 0 API-server calls, 0 store writes", async () => {
    await world.vault.putKv("kv", "steady", { password: "one" });
    const before = await runs("settled");
    await cluster.apply(aStaticSecret(NS, "steady", { refreshAfter: "5s" }));
    await synced("steady", "one");
    await moreRuns("settled", before);
    // A slot that was dispatched before the row joined the wheel is a run of its own, with a claim.
    await moreRuns("unchanged", await runs("unchanged"));
    const then = await count();
    await moreRuns("unchanged", then.unchanged, 3);
    const now = await count();
    const { vaultReads = 0, ...rest } = difference(now, then);
    // A run that is under way at a look has read already, and is counted at its end.
    const more = now.unchanged - then.unchanged;
    assert.ok(Math.abs(vaultReads - more) <= 1, `${vaultReads} reads in ${more} refreshes`);
    assert.deepEqual(rest, { logins: 0, storeWrites: 0 });
  });

  it("a changed refresh: 1 Vault read, 1 apply, at most 1 status write and 1 event, at most 3 store writes", async () => {
    const declared = await runs("settled");
    await cluster.apply(aStaticSecret(NS, "steady", { refreshAfter: "20s" }));
    await moreRuns("settled", declared);
    // Right after a refresh slot, so that the next one finds the change and none comes between.
    await moreRuns("unchanged", await runs("unchanged"));
    const [then, before] = [await count(), await runs("settled")];
    await world.vault.putKv("kv", "steady", { password: "two" });
    await synced("steady", "two");
    await moreRuns("settled", before);
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
    const [then, before] = [await count(), await runs("settled")];
    await cluster.request(
      "PATCH",
      `/api/v1/namespaces/${NS}/secrets/steady`,
      { data: { password: "eA==" } },
      {
        contentType: "application/merge-patch+json",
      },
    );
    await synced("steady", "two");
    await moreRuns("settled", before);
    const seen = difference(await count(), then);
    assert.equal(seen["get secrets"], 1);
    assert.equal(seen["patch secrets"], 1);
    assert.equal(seen["patch vaultstaticsecrets/status"], undefined, "nothing changed in the status");
  });

  it("a changed refresh with a target: 1 get and 1 patch of the workload more, in a run of its own", async () => {
    const target = { kind: "Deployment", name: "targeted" } as const;
    await cluster.apply(aWorkload(NS, target));
    await world.vault.putKv("kv", "targeted", { password: "one" });
    const declared = aStaticSecret(NS, "targeted", { refreshAfter: SELDOM, rolloutRestartTargets: [target] });
    const before = await runs("settled");
    await cluster.apply(declared);
    const readsOf = async () => (await world.vault.auditedReads()).get("read kv/data/targeted") ?? 0;
    await moreRuns("settled", before);
    const [then, settled, reads] = await Promise.all([count(), runs("settled"), readsOf()]);
    await world.vault.putKv("kv", "targeted", { password: "two" });
    const annotations = { "keyferry.dev/refresh": "now" };
    await cluster.apply({ ...declared, metadata: { ...declared.metadata, annotations } });
    // The write, and seconds later the restart; refresh slots of others are unchanged and settle nothing.
    await moreRuns("settled", settled, 2);
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
