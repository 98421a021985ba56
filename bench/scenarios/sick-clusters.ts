import { startEngine } from "../../test/e2e/support/engine.ts";
import { type SickClusters, startSickClusters } from "../../test/e2e/support/sick-clusters.ts";
import { type Figure, figure, percentile } from "../figures.ts";

const RUNS = 5;
/** Each of them changes all syncs at once: a change is noticed by the next refresh, whenever that is. */
const ROUNDS = 4;
const SYNCS = 10;
const PATIENCE_MS = 60_000;

/** From a change in Vault until its Secret follows: in a fleet with three sick clusters, and without them. */
export async function sickClusters(): Promise<readonly Figure[]> {
  await using scene = await startSickClusters();
  const { world, healthy, sick } = scene;
  for (let at = 0; at < SYNCS; at++) await world.vault.putKv("kv", `s-${at}`, { value: "first" });
  for (const place of [healthy, sick.gone, sick.slow, sick.dead]) {
    for (let at = 0; at < SYNCS; at++) await place.declare(`s-${at}`, { refreshAfter: "1s" });
  }
  await sick.gone.cluster.servers.api.kill();
  const alone: number[] = [];
  const beside: number[] = [];
  // Interleaved, so that both have the same share of what else this machine does.
  for (let run = 0; run < RUNS; run++) {
    alone.push(...(await followed(scene, "healthy", `alone-${run}`)));
    beside.push(...(await followed(scene, "all", `beside-${run}`)));
  }
  const name = "beside sick clusters";
  return [
    figure(name, "change followed, alone, p50", percentile(alone, 0.5), "ms"),
    figure(name, "change followed, alone, p99", percentile(alone, 0.99), "ms"),
    figure(name, "change followed, beside them, p50", percentile(beside, 0.5), "ms"),
    figure(name, "change followed, beside them, p99", percentile(beside, 0.99), "ms"),
    figure(name, "p99, times alone", percentile(beside, 0.99) / percentile(alone, 0.99), "", "<= 1.5"),
  ];
}

async function followed(scene: SickClusters, which: "all" | "healthy", run: string): Promise<readonly number[]> {
  await scene.writeFleet(which);
  await using _engine = await startEngine(scene.world, { args: ["--log-level", "info"] });
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const value = `${run}-${round}`;
    const follows = async (name: string): Promise<number> => {
      await scene.world.vault.putKv("kv", name, { value });
      const startedAt = performance.now();
      await scene.healthy.secretThat(name, ({ data }) => data.value === value, PATIENCE_MS);
      return performance.now() - startedAt;
    };
    samples.push(...(await Promise.all(Array.from({ length: SYNCS }, (_, at) => follows(`s-${at}`)))));
  }
  return samples;
}
