import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { BUGS } from "./bugs.ts";
import { loadWithBug } from "./loader.ts";
import type { ScheduleName } from "./schedule.ts";
import type { BatchDone } from "./worker.ts";

const USAGE = `Runs keyferry's core on worlds in memory, each by a seed, and checks the rules from outside.

  npm run test:sim -- --seeds 100000 [--from N]     that many runs: prints seeds, steps and violations
  npm run test:sim -- --seconds 50 --least 100 --seeds 1000    as many as fit, at least and at most so many
  npm run test:sim -- --seed N                      one run with its trace; a failing one is shrunk first
  npm run test:sim -- --bug NAME [--seeds N]        with a fault put in: after how many runs is it found?
  npm run test:sim -- --bug all                     each of the faults
  ... --kinds static|issued|push|all                schedules of static secrets, of dynamic ones and certificates, of pushes

Faults: ${Object.keys(BUGS).join(", ")}
`;

const BATCH = 20;
const WORKERS = Math.min(2, availableParallelism());

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string", default: "0" },
    seconds: { type: "string" },
    least: { type: "string", default: "0" },
    seed: { type: "string" },
    bug: { type: "string" },
    kinds: { type: "string", default: "all" },
    help: { type: "boolean", default: false },
  },
});

const KINDS: readonly ScheduleName[] = ["static", "issued", "push"];

/** The schedules that `--kinds` names. */
function chosen(kinds: string): readonly ScheduleName[] {
  const found = KINDS.filter((kind) => kinds === "all" || kinds === kind);
  if (found.length === 0) throw new Error(`--kinds is static, issued, push or all, and not ${kinds}`);
  return found;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Range {
  readonly kinds: readonly ScheduleName[];
  readonly from: number;
  readonly seeds: number;
  /** Ends after this, when it has run `least`. */
  readonly ms?: number;
  readonly least?: number;
  readonly bug?: string;
  /** Ends with the first run that breaks a rule. */
  readonly isOneEnough?: boolean;
}

interface Report {
  readonly seeds: number;
  readonly steps: number;
  readonly failed: BatchDone["failed"];
}

/** Shares the seeds out to threads. */
async function sweep({ kinds, from, seeds, ms, least = 0, bug, isOneEnough = false }: Range): Promise<Report> {
  const began = performance.now();
  let [next, done, steps] = [from, 0, 0];
  const failed: BatchDone["failed"][number][] = [];
  let toldAt = began;
  const isOver = (): boolean =>
    next >= from + seeds ||
    (isOneEnough && failed.length > 0) ||
    (ms !== undefined && performance.now() - began > ms && next - from >= least);
  const tell = (): void => {
    if (performance.now() - toldAt < 10_000) return;
    toldAt = performance.now();
    process.stderr.write(`${done} seeds, ${steps} steps, ${failed.length} with violations\n`);
  };
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const resourceLimits = { maxYoungGenerationSizeMb: 64 };
      const worker = new Worker(new URL("./worker.ts", import.meta.url), {
        workerData: { bug, kinds },
        resourceLimits,
      });
      const give = (): void => {
        if (isOver()) return void worker.terminate().then(() => resolve(), reject);
        const count = Math.min(BATCH, from + seeds - next);
        worker.postMessage({ from: next, count });
        next += count;
      };
      worker.on("error", reject);
      worker.on("message", (batch: BatchDone) => {
        done += batch.runs;
        steps += batch.steps;
        failed.push(...batch.failed);
        if (bug === undefined)
          for (const { kind, seed, violations } of batch.failed)
            process.stderr.write(`${kind} seed ${seed}: ${violations.join("; ")}\n`);
        tell();
        give();
      });
      give();
    });
  await Promise.all(Array.from({ length: WORKERS }, work));
  return { seeds: done, steps, failed: failed.sort((a, b) => a.seed - b.seed) };
}

/** One seed as people read it: what happens, and what is broken by it. */
async function replay(kind: ScheduleName, seed: number, isWhole: boolean): Promise<boolean> {
  const [{ SCHEDULES }, { textOf }, { shrunk }] = await Promise.all([
    import("./schedules.ts"),
    import("./schedule.ts"),
    import("./shrink.ts"),
  ]);
  const { planOf, run } = SCHEDULES[kind];
  const whole = planOf(seed);
  const { violations } = await run(whole);
  const plan = violations.length > 0 ? await shrunk(run, whole) : whole;
  const outcome = await run(plan, { trace: true });
  const { actions, ...rest } = plan;
  say(`${kind} seed ${seed}: ${JSON.stringify(rest)}`);
  for (const action of actions) say(`  ${textOf(action)}`);
  if (isWhole) for (const line of outcome.trace) say(line);
  say(`${actions.length} of ${whole.actions.length} actions, ${outcome.steps} steps, trace ${outcome.hash}`);
  for (const violation of outcome.violations) say(`VIOLATION ${violation}`);
  return outcome.violations.length === 0;
}

async function find(bug: string): Promise<boolean> {
  const seeds = Number(values.seeds ?? 5_000);
  const kinds = [BUGS[bug]?.kind ?? "static"];
  const { failed, seeds: ran } = await sweep({ kinds, from: Number(values.from), seeds, bug, isOneEnough: true });
  const [first] = failed;
  const what = BUGS[bug]?.what;
  if (first === undefined) say(`${bug}: ${what}: NOT FOUND in ${ran} runs`);
  else say(`${bug}: ${what}: found after ${first.seed - Number(values.from) + 1} runs: ${first.violations[0]}`);
  return first !== undefined;
}

async function findAll(bug: string): Promise<boolean> {
  let isFound = true;
  for (const name of bug === "all" ? Object.keys(BUGS) : [bug]) isFound = (await find(name)) && isFound;
  return isFound;
}

async function sweepAll(): Promise<boolean> {
  const { from, seconds } = values;
  const budget = seconds === undefined ? {} : { ms: Number(seconds) * 1_000, least: Number(values.least) };
  const seeds = Number(values.seeds ?? (seconds === undefined ? 1_000 : 1_000_000));
  const report = await sweep({ kinds: chosen(values.kinds), from: Number(from), seeds, ...budget });
  say(`${report.seeds} seeds from ${from}, ${report.steps} steps, ${report.failed.length} with violations`);
  const [first] = report.failed;
  if (first) await replay(first.kind, first.seed, false);
  return report.failed.length === 0;
}

async function main(): Promise<boolean> {
  const { bug, seed, help } = values;
  if (help) say(USAGE);
  if (help) return true;
  if (seed === undefined) return bug === undefined ? sweepAll() : findAll(bug);
  if (bug !== undefined) loadWithBug(bug);
  let isWell = true;
  for (const kind of chosen(bug === undefined ? values.kinds : (BUGS[bug]?.kind ?? "static")))
    isWell = (await replay(kind, Number(seed), true)) && isWell;
  return isWell;
}

process.exitCode = (await main()) ? 0 : 1;
