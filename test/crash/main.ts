import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadWithBug } from "../core/simulation/loader.ts";
import { BUGS } from "./bugs.ts";

const USAGE = `Kills keyferry before and after each effect of each scenario, starts it again, and looks at real servers:
the login works, Vault has one lease for the sync, and the row agrees.

  npm run test:crash                                             all points
  npm run test:crash -- --only re-issue                          the series whose names begin so; * stands for anything
  npm run test:crash -- --only first-issue/sqlite/openbao/7      one point, with its log
  npm run test:crash -- --sample 60 --seed 3                     a sample of all points
  npm run test:crash -- --seconds 90 --seed 3                    a sample, for so long
  npm run test:crash -- --bug NAME                               with a fault put in: is it found?
  npm run test:crash -- --bug all                                each of the faults

  --jobs N      points at once (4)
  -o json       the result as JSON

Series: [fault:]scenario/store/vault. Exit codes: 0 nothing broke, 1 something did.
Faults to put in: ${Object.keys(BUGS).join(", ")}
`;

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    sample: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "4" },
    bug: { type: "string" },
    output: { type: "string", short: "o", default: "text" },
    help: { type: "boolean", default: false },
  },
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function sampleOf({ sample, seconds, seed }: typeof values) {
  if (sample === undefined && seconds === undefined) return {};
  const ms = Number(seconds ?? 3_600) * 1_000;
  return { sample: { points: Number(sample ?? 1_000_000), ms, seed: Number(seed) } };
}

/** Whether the matrix finds this fault. */
async function finds(name: string): Promise<boolean> {
  loadWithBug(name, BUGS);
  const bug = BUGS[name];
  if (bug === undefined) return false;
  const { runMatrix } = await import("./matrix.ts");
  const isFound = !(await runMatrix({
    only: bug.only,
    jobs: Number(values.jobs),
    isJson: false,
    bug,
    from: bug.first,
  }));
  say(`${name}: ${bug.what}: ${isFound ? "found" : "NOT FOUND"}`);
  return isFound;
}

/** Each in a process of its own, as it changes what is loaded. */
function findsAll(): boolean {
  const [node = "", ...args] = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)];
  return Object.keys(BUGS).every((bug) => spawnSync(node, [...args, "--bug", bug], { stdio: "inherit" }).status === 0);
}

async function main(): Promise<boolean> {
  const { help, bug, only, jobs, output } = values;
  if (help) say(USAGE);
  if (help) return true;
  if (bug !== undefined) return bug === "all" ? findsAll() : finds(bug);
  const { runMatrix } = await import("./matrix.ts");
  return runMatrix({ only, jobs: Number(jobs), isJson: output === "json", ...sampleOf(values) });
}

process.exitCode = (await main()) ? 0 : 1;
