import { cpus } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { table } from "../cli/table.ts";
import { ROOT } from "../infra/bundle.ts";
import { bundleCli } from "../infra/bundle-cli.ts";
import type { Figure } from "./figures.ts";

const REFRESH_MINUTES = 3;

type Scenario = () => Promise<readonly Figure[]>;

/** Those that start the engine; it is loaded when the bundle that it is started from stands. */
const OF_THE_ENGINE: Readonly<Record<string, Scenario>> = {
  cold: async () => {
    const { cold } = await import("./scenarios/cold.ts");
    return [...(await cold(500)), ...(await cold(2_000))];
  },
  refresh: async () => (await import("./scenarios/refresh.ts")).refresh(REFRESH_MINUTES),
  delay: async () => (await import("./scenarios/delay.ts")).delay(),
  drift: async () => (await import("./scenarios/delay.ts")).drift(),
  neighbour: async () => (await import("./scenarios/neighbour.ts")).neighbour(),
};
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  ...OF_THE_ENGINE,
  tick: async () => (await import("./scenarios/tick.ts")).tickCost(),
  functions: async () => (await import("./scenarios/functions.ts")).functionCost(),
};

const HELP = `
Examples:
  $ npm run bench                     everything, as a table (about 15 minutes)
  $ npm run bench -- --only cold      one scenario
  $ npm run bench -- --json           the figures as JSON on stdout`;

const options = new Command("bench")
  .description(
    "Measures keyferry on real servers: one cluster, one OpenBao, the embedded engine as packaged; of the engine on AWS its parts.",
  )
  .option("--json", "figures as JSON on stdout", false)
  .addOption(new Option("--only <scenario...>", "which ones").choices(Object.keys(SCENARIOS)))
  .addHelpText("after", HELP)
  .parse()
  .opts<{ json: boolean; only?: string[] }>();

const wanted = Object.entries(SCENARIOS).filter(([name]) => options.only?.includes(name) ?? true);
// What users run is measured: the bundle of the npm package, unless another command is named.
if (wanted.some(([name]) => name in OF_THE_ENGINE)) {
  process.env.KEYFERRY_MAIN ??= await bundleCli(join(ROOT, "dist"));
}
const figures: Figure[] = [];
for (const [name, run] of wanted) {
  process.stderr.write(`${name} …\n`);
  const startedAt = performance.now();
  figures.push(...(await run()));
  process.stderr.write(`${name}: ${((performance.now() - startedAt) / 1_000).toFixed(0)} s\n`);
}

const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
if (options.json) process.stdout.write(`${JSON.stringify({ machine, figures }, undefined, 2)}\n`);
else {
  const rows = figures.map(({ scenario, name, value, unit, goal = "" }) => [
    scenario,
    name,
    `${value} ${unit}`.trim(),
    goal,
  ]);
  process.stdout.write(`${machine.cores} x ${machine.cpu}, Node ${machine.node}\n`);
  process.stdout.write(table(["SCENARIO", "FIGURE", "VALUE", "GOAL"], rows));
}
