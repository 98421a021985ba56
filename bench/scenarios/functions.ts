import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { deflateRaw } from "node:zlib";
import { type Bundle, bundleAll } from "../../infra/bundle.ts";
import { SETTINGS } from "../../test/contract/functions/running.ts";
import { tempFolder } from "../../test/harness/process/temp-folder.ts";
import { type Figure, figure, percentile } from "../figures.ts";

const PROCESSES = 9;
const BYTES_PER_KB = 1_000;
const BYTES_PER_MIB = 1_024 ** 2;

/** What serverless.yml gives each function, and what AWS's runtime adds; nothing is asked for while a function is loaded. */
const ENV = {
  ...SETTINGS,
  AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
  LAMBDA_TASK_ROOT: "/var/task",
  AWS_LAMBDA_FUNCTION_NAME: "bench",
};

const LOAD = `
const before = process.memoryUsage().rss, startedAt = performance.now();
await import(process.argv[1]);
const ms = performance.now() - startedAt;
process.stdout.write(JSON.stringify({ ms, before, after: process.memoryUsage().rss }));
process.exit(0);`;

export interface Loaded {
  readonly ms: number;
  /** Resident, in bytes, before and after the bundle was loaded. */
  readonly before: number;
  readonly after: number;
}

/** Each function as it is packaged: how big it is, and what a cold start of it costs in time and memory. */
export async function functionCost(): Promise<readonly Figure[]> {
  await using folder = await tempFolder("functions");
  const figures: Figure[] = [];
  for (const bundle of await bundleAll(folder.path)) figures.push(...(await costOf(bundle)));
  return figures;
}

async function costOf({ name, path }: Bundle): Promise<readonly Figure[]> {
  const code = await readFile(path);
  const zipped = await promisify(deflateRaw)(code, { level: 9 });
  // The first one finds the file not yet in the page cache.
  await loaded(path);
  const samples: Loaded[] = [];
  for (let times = 0; times < PROCESSES; times++) samples.push(await loaded(path));
  const median = (of: (sample: Loaded) => number): number => percentile(samples.map(of), 0.5);
  const scenario = `function ${name}`;
  return [
    figure(scenario, "size", code.length / BYTES_PER_KB, "kB"),
    figure(scenario, "size, zipped", zipped.length / BYTES_PER_KB, "kB"),
    figure(
      scenario,
      `import, median of ${PROCESSES} processes`,
      median(({ ms }) => ms),
      "ms",
    ),
    figure(scenario, "RSS after import", median(({ after }) => after) / BYTES_PER_MIB, "MiB"),
    figure(scenario, "RSS before import", median(({ before }) => before) / BYTES_PER_MIB, "MiB"),
  ];
}

/** Loads a bundle in a process of its own. */
export async function loaded(path: string): Promise<Loaded> {
  const args = ["--input-type=module", "--eval", LOAD, path];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: ENV });
  return JSON.parse(stdout) as Loaded;
}
