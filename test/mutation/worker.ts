/** A process that runs tests on one mutant after the other, and loads anew only what each of them is part of. */
import { type Coverage, countCoverage, merged } from "./coverage.ts";
import type { Failure, Job, MeasuredTest, Said, TestsOf } from "./messages.ts";
import { hookModules } from "./modules.ts";
import { type Registered, registeredBy } from "./registry.ts";
import { runRegistered } from "./run-registered.ts";

const [root = "", scope] = process.argv.slice(2);
/** For what belongs to no test: a file is loaded, a suite gets ready or ends. */
const ASIDE_MS = 30_000;
/** For a test that is measured: how long it takes isn't known yet. */
const UNKNOWN_MS = 300_000;

interface UnderWay {
  readonly job: Job;
  failed: boolean;
  where: Omit<Failure, "error">;
  readonly tests: MeasuredTest[];
  readonly shared: Coverage[];
}
let now: UnderWay | undefined;

const say = (said: Said): void => void process.send?.(said);
const modules = hookModules(root);
const takeCoverage =
  scope === undefined ? async () => ({}) : await countCoverage(root, new Set(JSON.parse(scope) as string[]));

process.on("unhandledRejection", stray);
process.on("uncaughtException", stray);
process.on("disconnect", () => process.exit());
process.on("message", (job: Job) => void work(job));

async function work(job: Job): Promise<void> {
  const { tag, fresh, mutant } = job;
  now = { job, failed: false, where: { file: "", test: "" }, tests: [], shared: [] };
  modules.use({ tag, ...(fresh && { files: new Set(fresh) }), ...(mutant && { mutant }) });
  await takeCoverage();
  for (const run of job.runs) {
    await runFile(now, run).catch(fail);
    if (now.failed) break;
  }
  const { tests, shared } = now;
  now = undefined;
  const imports = Object.fromEntries([...modules.imports].map(([file, of]) => [file, [...of]]));
  say({ done: { rss: process.memoryUsage.rss(), imports, tests, shared: merged(shared) } });
}

async function runFile(current: UnderWay, { file, tests: chosen }: TestsOf): Promise<void> {
  const { job, tests, shared } = current;
  current.where = { file, test: "when it is loaded" };
  say({ step: ASIDE_MS });
  const registered = await registeredBy(() => modules.load(file));
  const isChosen = ({ name }: Registered) =>
    (chosen === undefined || Object.hasOwn(chosen, name)) && !job.tooSlow.some((part) => name.includes(part));
  let started = 0;
  let cpu = process.cpuUsage();
  await runRegistered(registered.filter(isChosen), {
    starts: async ({ name }) => {
      shared.push(await takeCoverage());
      current.where = { file, test: name };
      say({ step: chosen?.[name] ?? UNKNOWN_MS });
      started = performance.now();
      cpu = process.cpuUsage();
    },
    ends: async ({ name }) => {
      const { user, system } = process.cpuUsage(cpu);
      const ms = performance.now() - started;
      tests.push({ name, ms, cpuMs: (user + system) / 1_000, coverage: await takeCoverage() });
      say({ step: ASIDE_MS });
    },
    fails: fail,
    isOver: () => current.failed,
  });
  shared.push(await takeCoverage());
}

/** The first failure is told at once: what follows of the job only cleans up, and may hang. */
function fail(error: unknown): void {
  if (now === undefined || now.failed) return;
  now.failed = true;
  say({ failed: { ...now.where, error: error instanceof Error ? (error.stack ?? error.message) : String(error) } });
}

/**
 * A promise that failed with nobody to hear it, or an exception that nobody caught. One of an earlier mutant proves nothing of
 * this one.
 */
function stray(error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  if (now?.job.mutant === undefined || stack.includes(`?${now.job.tag}.ts`)) fail(error);
}
