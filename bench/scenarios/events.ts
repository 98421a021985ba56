import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serves } from "../../test/e2e/support/inlets.ts";
import { waitFor } from "../../test/harness/index.ts";
import { type Figure, figure, mustBe, percentile } from "../figures.ts";
import { passwordOf, type Setting, startSetting, until } from "../setting.ts";
import { usageOf } from "../usage.ts";

const SYNCS = 50;
const WRITES = 200;
const NOISE_PER_SECOND = 1_000;
const NOISE_SECONDS = 20;
const BURST = 10_000;
const POLL_MS = 5;
const NAME = "events";

/** From Vault's answer to the Secret, by the followed audit file; noise; a burst of events of one path. */
export async function events(): Promise<readonly Figure[]> {
  return [...(await propagation()), ...(await load())];
}

async function propagation(): Promise<readonly Figure[]> {
  await using setting = await startSetting();
  const names = await setting.declare(SYNCS, "12h");
  const inlets = { file: { path: setting.world.vault.auditPath } };
  await setting.world.writeFleet(() => ({}), { events: inlets });
  await using engine = await setting.engine();
  await serves(engine, 0, inlets);
  await allThere(setting, names);
  const samples: number[] = [];
  for (let at = 0; at < WRITES; at++) {
    const name = names[at % names.length] ?? "";
    await setting.world.vault.putKv("kv", name, { password: `changed-${at}` });
    const startedAt = performance.now();
    while ((await passwordOf(setting.cluster, name)) !== `changed-${at}`) {
      if (performance.now() - startedAt > 60_000) throw new Error(`${name} did not follow within a minute`);
      await sleep(POLL_MS);
    }
    samples.push(performance.now() - startedAt);
  }
  const share = (part: number) => percentile(samples, part) / 1_000;
  return [
    figure(NAME, `${WRITES} writes, from Vault's answer to the Secret, p50`, share(0.5), "s", "< 0.3"),
    figure(NAME, "p99", share(0.99), "s", "< 2"),
    figure(NAME, "max", Math.max(...samples) / 1_000, "s"),
  ];
}

/** Real lines of a real Vault, in a file of our own. */
async function load(): Promise<readonly Figure[]> {
  await using setting = await startSetting();
  const [name = "", ...others] = await setting.declare(SYNCS, "12h");
  const path = join(setting.world.folder, "load.log");
  await writeFile(path, "");
  const inlets = { file: { path } };
  await setting.world.writeFleet(() => ({}), { events: inlets });
  await using engine = await setting.engine();
  await serves(engine, 0, inlets);
  await allThere(setting, [name, ...others]);
  const noLag = () =>
    until("all lines", 60_000, async () => /keyferry_inlet_lag_bytes\{vault="main"\} 0$/m.test(await engine.metrics()));
  const pid = engine.child.pid ?? 0;

  const noise = (await linesOf(setting, () => setting.world.vault.read(`kv/data/${name}`))).join("");
  const second = noise.repeat(NOISE_PER_SECOND / 10 / 2);
  const cpuOf = async (work: (tick: number) => Promise<void>): Promise<number> => {
    const before = await usageOf(pid);
    const startedAt = performance.now();
    for (let tick = 0; tick < NOISE_SECONDS * 10; tick++) {
      await work(tick);
      await sleep(Math.max(0, startedAt + (tick + 1) * 100 - performance.now()));
    }
    return ((await usageOf(pid)).cpuMs - before.cpuMs) / (performance.now() - startedAt);
  };
  const idle = await cpuOf(async () => undefined);
  const noisy = await cpuOf(() => appendFile(path, second));
  await noLag();

  const readsOf = async () => (await setting.world.vault.auditedReads()).get(`read kv/data/${name}`) ?? 0;
  const before = await readsOf();
  const lines = await linesOf(setting, () => setting.world.vault.putKv("kv", name, { password: "burst" }));
  const written = lines.find((line) => line.includes('"type":"response"')) ?? "";
  const startedAt = performance.now();
  await appendFile(path, written.repeat(BURST));
  await until("the Secret", 60_000, async () => (await passwordOf(setting.cluster, name)) === "burst");
  const followed = performance.now() - startedAt;
  await noLag();
  const taken = performance.now() - startedAt;
  const reads = (await readsOf()) - before;
  const count = /keyferry_inlet_lines_total\{vault="main",inlet="file"\} (\d+)/.exec(await engine.metrics());
  const wanted = NOISE_PER_SECOND * NOISE_SECONDS + BURST;
  return [
    figure(NAME, `${NOISE_PER_SECOND} lines/s of noise`, 100 * (noisy - idle), "% of a core", "<= 5"),
    figure(NAME, `${BURST} events of one path, to the Secret`, followed / 1_000, "s"),
    figure(NAME, `${BURST} events of one path, until all are taken`, taken / 1_000, "s"),
    { ...figure(NAME, "reads of Vault for it", reads, "", "<= 2"), isMissed: reads > 2 },
    mustBe(NAME, "lines taken", Number(count?.[1] ?? 0), wanted),
  ];
}

async function linesOf({ world }: Setting, work: () => Promise<unknown>): Promise<readonly string[]> {
  const size = (await readFile(world.vault.auditPath)).length;
  await work();
  const text = (await readFile(world.vault.auditPath)).subarray(size).toString("utf8");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [`${line}\n`]));
}

async function allThere({ cluster }: Setting, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await waitFor(`Secret ${name}`, async () => (await passwordOf(cluster, name)) !== undefined, 60_000);
  }
}
