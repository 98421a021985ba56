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
  leases: async () => (await import("./scenarios/leases.ts")).leases(options),
  neighbour: async () => (await import("./scenarios/neighbour.ts")).neighbour(),
  injector: async () => (await import("./scenarios/injector.ts")).injectorCost(),
  events: async () => (await import("./scenarios/events.ts")).events(),
  push: async () => (await import("./scenarios/push.ts")).push(),
  "sick-clusters": async () => (await import("./scenarios/sick-clusters.ts")).sickClusters(),
};
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  ...OF_THE_ENGINE,
  tick: async () => (await import("./scenarios/tick.ts")).tickCost(),
  "events-aws": async () => (await import("./scenarios/events-aws.ts")).eventsOnAws(),
  functions: async () => (await import("./scenarios/functions.ts")).functionCost(),
};

const HELP = `
Examples:
  $ npm run bench                     everything, as a table (about 30 minutes)
  $ npm run bench -- --only cold      one scenario
  $ npm run bench -- --json           the figures as JSON on stdout
  $ npm run bench -- --only leases --leases 100 --minutes 1`;

const options = new Command("bench")
  .description(
    "Measures keyferry on real servers: one cluster, one OpenBao, the embedded engine as packaged; of the engine on AWS its parts.",
  )
  .option("--json", "figures as JSON on stdout", false)
  .addOption(
    sized("--leases <count>", "leases: how many of 60 s; the rest of the scenario has its size from it", 1_000),
  )
  .addOption(sized("--minutes <count>", "leases: for how long they are renewed beside other work", 5))
  .addOption(new Option("--only <scenario...>", "which ones").choices(Object.keys(SCENARIOS)))
  .addHelpText("after", HELP)
  .parse()
  .opts<{ json: boolean; leases: number; minutes: number; only?: string[] }>();

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

if (figures.some(({ isMissed }) => isMissed)) process.exitCode = 1;

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

function sized(flags: string, description: string, by: number): Option {
  return new Option(flags, description).default(by).argParser(Number);
}
