import { noisyDeclarations, silentPort } from "../../test/e2e/support/silent-port.ts";
import { aStaticSecret } from "../../test/e2e/support/world.ts";
import { type Figure, figure, percentile } from "../figures.ts";
import { inParallel, NAMESPACE, passwordOf, type Setting, startSetting, until } from "../setting.ts";

const SAMPLES = 100;
const NOISY = "noisy";
const SILENT_VAULTS = 300;

/** From a declaration until its Secret is there: alone, and while another namespace's 300 Vaults say nothing. */
export async function neighbour(): Promise<readonly Figure[]> {
  await using silent = await silentPort();
  await using setting = await startSetting();
  await setting.world.vault.putKv("kv", "shared", { password: "shared" });
  await setting.world.namespace(setting.cluster, NOISY);
  await using _engine = await setting.engine();
  const alone = await declareOneByOne(setting, "alone");
  const noise = noisyDeclarations(NOISY, silent.address, SILENT_VAULTS);
  await inParallel(noise, async (one) => void (await setting.cluster.apply(one)));
  await until("silence that is waited for", 60_000, async () => silent.open > 0);
  const beside = await declareOneByOne(setting, "beside");
  const name = "beside 300 silent Vaults";
  return [
    figure(name, "first sync of a neighbour, alone, p50", percentile(alone, 0.5), "ms"),
    figure(name, "first sync of a neighbour, alone, p99", percentile(alone, 0.99), "ms"),
    figure(name, "first sync of a neighbour, beside them, p50", percentile(beside, 0.5), "ms"),
    figure(name, "first sync of a neighbour, beside them, p99", percentile(beside, 0.99), "ms"),
    figure(name, "p99, times alone", percentile(beside, 0.99) / percentile(alone, 0.99), "", "<= 2"),
    figure(name, "longest first sync", Math.max(...beside) / 1_000, "s", "< 5"),
  ];
}

async function declareOneByOne(setting: Setting, prefix: string): Promise<readonly number[]> {
  const samples: number[] = [];
  for (let at = 0; at < SAMPLES; at++) {
    const name = `${prefix}-${at}`;
    const startedAt = performance.now();
    await setting.cluster.apply(aStaticSecret(NAMESPACE, name, { path: "shared", refreshAfter: "1h" }));
    while ((await passwordOf(setting.cluster, name)) === undefined) {
      if (performance.now() - startedAt > 60_000) throw new Error(`waited 60 s in vain for ${name}`);
    }
    samples.push(performance.now() - startedAt);
  }
  return samples;
}
