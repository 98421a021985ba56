import { setTimeout as sleep } from "node:timers/promises";
import { type RunningEngine, startEngine } from "../test/e2e/support/engine.ts";
import { aStaticSecret, startWorld, type World } from "../test/e2e/support/world.ts";
import type { Cluster } from "../test/harness/index.ts";

export const NAMESPACE = "bench";

/** One Vault, one cluster, and syncs with distinct paths of 3 keys each. */
export interface Setting extends AsyncDisposable {
  readonly world: World;
  readonly cluster: Cluster;
  declare(count: number, refreshAfter: string, prefix?: string): Promise<readonly string[]>;
  engine(): Promise<RunningEngine>;
}

/** So many requests at once when a scene is set. */
const WIDTH = 16;

export async function startSetting(): Promise<Setting> {
  const world = await startWorld({ clusters: ["bench"] });
  const [cluster] = world.clusters;
  if (!cluster) throw new Error("no cluster");
  await world.namespace(cluster, NAMESPACE);
  return {
    world,
    cluster,
    async declare(count, refreshAfter, prefix = "sync") {
      const names = Array.from({ length: count }, (_, at) => `${prefix}-${at}`);
      await inParallel(names, async (name) => {
        await world.vault.putKv("kv", name, {
          user: name,
          password: `${name}-password`,
          url: `https://${name}.example`,
        });
        await cluster.apply(aStaticSecret(NAMESPACE, name, { refreshAfter }));
      });
      return names;
    },
    engine: () => startEngine(world, { args: ["--log-level", "info"] }),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

export async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
}

export { sum } from "../test/e2e/support/metric-sums.ts";

/** Asks every 100 ms until it holds; throws after the time-out. */
export async function until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(100);
  }
}

export async function passwordOf(cluster: Cluster, name: string): Promise<string | undefined> {
  const secret = await cluster.get({ apiVersion: "v1", kind: "Secret", namespace: NAMESPACE, name });
  const value = secret?.data?.password;
  return value === undefined ? undefined : Buffer.from(value, "base64").toString("utf8");
}
