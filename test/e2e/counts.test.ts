import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../harness/index.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
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
const NOT_OF_A_REFRESH = new Set(["get namespaces", "get configmaps", "create configmaps"]);

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
      // The cursor and the rows of clusters are moved by ticks and looks, whatever there is to refresh.
      storeWrites: store("writes") - store("moveCursor") - store("claimCluster") - store("saveCluster"),
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

  it("25 syncs that share identity and path: one login and one Vault read, cold and at each refresh", async () => {
    await world.vault.putKv("kv", "shared", { password: "one" });
    const names = Array.from({ length: 25 }, (_, at) => `shared-${at}`);
    await cluster.apply(names.map((name) => aStaticSecret(NS, name, { path: "shared", refreshAfter: "20s" })));
    engine = await startEngine(world);
    await Promise.all(names.map((name) => synced(name, "one")));
    // Settles and events follow the Secrets.
    await sleep(2_000);
    const cold = await count();
    assert.equal(cold.logins, 1);
    assert.equal(cold.vaultReads, 1);
    assert.equal(cold.kube.get("patch secrets"), 25);
    assert.equal(cold.kube.get("get secrets"), 1, "the HMAC key, once");

    const turn = await cluster.waitFor(
      "a refresh",
      async () => {
        const now = await count();
        return now.vaultReads > cold.vaultReads && now;
      },
      30_000,
    );
    await sleep(1_500);
    assert.deepEqual(difference(await count(), cold), { vaultReads: 1, logins: 0, storeWrites: 0 });
    assert.equal(turn.logins, 1);
  });

  it("an unchanged refresh: 1 Vault read, 0 API-server calls, 0 store writes", async () => {
    await world.vault.putKv("kv", "steady", { password: "one" });
    await cluster.apply(aStaticSecret(NS, "steady", { refreshAfter: "5s" }));
    await synced("steady", "one");
    await sleep(3_000);
    const then = await count();
    await sleep(13_000);
    const { vaultReads, ...rest } = difference(await count(), then);
    // 13 s hold three turns of 4 s, and at most one of the 25 that share a read.
    assert.ok(vaultReads !== undefined && vaultReads >= 3 && vaultReads <= 5, `${vaultReads} reads`);
    assert.deepEqual(rest, { logins: 0, storeWrites: 0 });
  });

  it("a changed refresh: 1 Vault read, 1 apply, at most 1 status write and 1 event, at most 3 store writes", async () => {
    await cluster.apply(aStaticSecret(NS, "steady", { refreshAfter: "20s" }));
    await sleep(3_000);
    const then = await count();
    await world.vault.putKv("kv", "steady", { password: "two" });
    await cluster.waitFor("the new password", async () => (await synced("steady", "two")) ?? true, 30_000);
    await sleep(2_000);
    const seen = difference(await count(), then);
    assert.ok((seen.vaultReads ?? 0) <= 2, "its own read, and one of the 25 that share one");
    assert.equal(seen["patch secrets"], 1);
    assert.ok((seen["patch vaultstaticsecrets/status"] ?? 0) <= 1);
    assert.equal(seen["create events"], 1);
    assert.ok((seen.storeWrites ?? 9) <= 3, `${seen.storeWrites} store writes`);
    assert.equal(seen["get secrets"], undefined);
    assert.equal(seen["get vaultstaticsecrets"], undefined);
  });

  it("a hand edit: one look and one apply", async () => {
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
});
