import { setTimeout as sleep } from "node:timers/promises";
import { type Figure, figure, percentile } from "../figures.ts";
import { passwordOf, type Setting, startSetting } from "../setting.ts";

const SYNCS = 40;
const EDITS = 30;

async function timed(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<number> {
  const startedAt = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAt > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(20);
  }
  return performance.now() - startedAt;
}

async function inStep(setting: Setting, refreshAfter: string): Promise<readonly string[]> {
  const names = await setting.declare(SYNCS, refreshAfter);
  return names;
}

/** From a write in Vault until the Secret holds it. */
export async function delay(): Promise<readonly Figure[]> {
  await using setting = await startSetting();
  const names = await inStep(setting, "10s");
  await using _engine = await setting.engine();
  await timed("all syncs", 60_000, async () => (await passwordOf(setting.cluster, names.at(-1) ?? "")) !== undefined);
  await sleep(3_000);
  const samples = await Promise.all(
    names.map(async (name, at) => {
      // Spread over two periods, so that no phase is favoured.
      await sleep((at * 18_000) / SYNCS);
      await setting.world.vault.putKv("kv", name, { user: name, password: "changed", url: "x" });
      return timed(name, 30_000, async () => (await passwordOf(setting.cluster, name)) === "changed");
    }),
  );
  return [
    figure("delay at 10 s", "p50", percentile(samples, 0.5) / 1_000, "s", "<= 4.2"),
    figure("delay at 10 s", "p95", percentile(samples, 0.95) / 1_000, "s", "<= 8.0"),
    figure("delay at 10 s", "max", Math.max(...samples) / 1_000, "s"),
  ];
}

/** From a hand edit of a Secret until it is as declared again, with an hour between refreshes. */
export async function drift(): Promise<readonly Figure[]> {
  await using setting = await startSetting();
  const names = await inStep(setting, "1h");
  await using _engine = await setting.engine();
  await timed("all syncs", 60_000, async () => (await passwordOf(setting.cluster, names.at(-1) ?? "")) !== undefined);
  await sleep(5_000);
  const samples: number[] = [];
  for (const name of names.slice(0, EDITS)) {
    await setting.cluster.request(
      "PATCH",
      `/api/v1/namespaces/bench/secrets/${name}`,
      { data: { password: Buffer.from("by hand").toString("base64") } },
      { contentType: "application/merge-patch+json" },
    );
    samples.push(
      await timed(name, 30_000, async () => (await passwordOf(setting.cluster, name)) === `${name}-password`),
    );
  }
  return [
    figure("drift repair", "p50", percentile(samples, 0.5) / 1_000, "s", "< 1"),
    figure("drift repair", "p95", percentile(samples, 0.95) / 1_000, "s", "< 1"),
    figure("drift repair", "max", Math.max(...samples) / 1_000, "s"),
  ];
}
