import { cpus } from "node:os";
import { Command, Option } from "commander";
import { table } from "../cli/table.ts";
import type { Figure } from "./figures.ts";
import { cold } from "./scenarios/cold.ts";
import { delay, drift } from "./scenarios/delay.ts";
import { refresh } from "./scenarios/refresh.ts";
import { tickCost } from "./scenarios/tick.ts";

const REFRESH_MINUTES = 3;

const SCENARIOS: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  cold: async () => [...(await cold(500)), ...(await cold(2_000))],
  refresh: () => refresh(REFRESH_MINUTES),
  delay,
  drift,
  tick: tickCost,
};

const HELP = `
Examples:
  $ npm run bench                     everything, as a table (about 10 minutes)
  $ npm run bench -- --only cold      one scenario
  $ npm run bench -- --json           the figures as JSON on stdout`;

const options = new Command("bench")
  .description("Measures keyferry on real servers: one cluster, one OpenBao, the embedded engine.")
  .option("--json", "figures as JSON on stdout", false)
  .addOption(new Option("--only <scenario...>", "which ones").choices(Object.keys(SCENARIOS)))
  .addHelpText("after", HELP)
  .parse()
  .opts<{ json: boolean; only?: string[] }>();

const figures: Figure[] = [];
for (const [name, run] of Object.entries(SCENARIOS)) {
  if (options.only && !options.only.includes(name)) continue;
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
