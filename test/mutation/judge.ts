import { basename } from "node:path";
import type { Baseline } from "./baseline.ts";
import { isReached } from "./coverage.ts";
import { inParallel } from "./in-parallel.ts";
import type { MeasuredTest, TestsOf } from "./messages.ts";
import type { Mutant } from "./mutants.ts";
import { startWorkers } from "./workers.ts";

export type Outcome = "killed" | "timed out" | "survived" | "unreached";

export interface Verdict {
  readonly mutant: Mutant;
  readonly outcome: Outcome;
  /** What killed it: a test, or what else ended the run. */
  readonly by?: string;
  readonly ms: number;
}

export interface JudgeOptions {
  readonly root: string;
  readonly tooSlow: readonly string[];
  /** Whether tests of this file count for mutants of that one. */
  readonly counts: (test: string, file: string) => boolean;
  /** Whether tests of this file come first for mutants of that one. */
  readonly isNearest: (test: string, file: string) => boolean;
  /** CPU time of tests that a mutant of this file is worth, in ms as measured without it. */
  readonly mostMsFor: (file: string) => number;
  readonly baselines: readonly Baseline[];
  readonly jobs: number;
  /** Whether there is time for another one. */
  readonly goesOn: () => boolean;
  readonly seen: (verdict: Verdict) => void;
}

/** Tests of one file that reach a mutant. */
interface Reaching {
  readonly file: string;
  readonly tests: readonly MeasuredTest[];
  readonly ms: number;
  /** How many imports lie between the test file and the mutated one. */
  readonly distance: number;
}

const MUTANTS_OF_A_WORKER = 150;

/** A test that takes this much longer than on the code without the mutant hangs: the machine may be busy with others. */
const limitOf = (ms: number): number => 10 * ms + 5_000;

/**
 * Puts each mutant in place, alone, and runs the tests that reach it, the nearest and quickest first, until one of them fails
 * or those that it is worth have passed: it survived then, even if a story further off would notice it.
 */
export async function judge(mutants: readonly Mutant[], options: JudgeOptions): Promise<readonly Verdict[]> {
  const { root, tooSlow, counts, isNearest, mostMsFor, baselines, jobs, goesOn, seen } = options;
  using workers = startWorkers({ root, jobsEach: MUTANTS_OF_A_WORKER });
  const importers = importersOf(baselines);
  const kills = new Map<string, number>();
  const verdicts = await inParallel([...mutants.entries()], jobs, async ([at, mutant]) => {
    if (!goesOn()) return undefined;
    const started = performance.now();
    const verdict = { mutant, ...(await run(mutant, `mutant=${at}`)), ms: performance.now() - started };
    seen(verdict);
    return verdict;
  });
  return verdicts.filter((verdict) => verdict !== undefined);

  async function run(mutant: Mutant, tag: string): Promise<Pick<Verdict, "outcome" | "by">> {
    const reaching = baselines
      .filter(({ file }) => counts(file, mutant.file))
      .map((one) => reachingOf(one, mutant))
      .filter(({ tests }) => tests.length > 0);
    if (reaching.length === 0) return { outcome: "unreached" };
    const nearness = ({ file }: Reaching) =>
      Number(mirrors(file, mutant.file)) * 2 + Number(isNearest(file, mutant.file));
    const killsBy = ({ file }: Reaching) => kills.get(`${mutant.file} ${file}`) ?? 0;
    const ordered = reaching.sort(
      (one, other) =>
        nearness(other) - nearness(one) ||
        killsBy(other) - killsBy(one) ||
        one.distance - other.distance ||
        one.ms - other.ms,
    );
    const { failure, stopped } = await workers.run({
      tag,
      mutant: { file: mutant.file, edit: mutant },
      fresh: closureOf(mutant.file, importers),
      runs: within(mostMsFor(mutant.file), ordered).map(runOf),
      tooSlow,
    });
    if (stopped !== undefined) return { outcome: stopped === "crashed" ? "killed" : stopped, by: stopped };
    if (failure === undefined) return { outcome: "survived" };
    const killer = `${mutant.file} ${failure.file}`;
    kills.set(killer, (kills.get(killer) ?? 0) + 1);
    return { outcome: "killed", by: failure.test };
  }
}

function reachingOf({ file, tests, shared, imports }: Baseline, mutant: Mutant): Reaching {
  const at = placeOf(mutant);
  const isOfAll = isReached(shared, mutant.file, at);
  const reaching = tests.filter(({ coverage }) => isOfAll || isReached(coverage, mutant.file, at));
  const ms = reaching.reduce((sum, { ms }) => sum + ms, 0);
  return { file, tests: reaching, ms, distance: distanceIn(imports, file, mutant.file) };
}

/** V8 counts what follows `?.` as not run where there is nothing before it: just there the mutant differs. */
function placeOf({ operator, start }: Mutant): number {
  return operator === "optional required" ? start - 1 : start;
}

function distanceIn(imports: Baseline["imports"], from: string, to: string): number {
  const seen = new Set([from]);
  for (let [distance, at] = [0, [from]]; at.length > 0; distance++) {
    if (at.includes(to)) return distance;
    at = at.flatMap((file) => imports[file] ?? []).filter((file) => !seen.has(file));
    for (const file of at) seen.add(file);
  }
  return Number.POSITIVE_INFINITY;
}

/** The first tests that fit into this time, and at least one of them. */
function within(mostMs: number, reaching: readonly Reaching[]): readonly Reaching[] {
  let spent = 0;
  const fits = ({ cpuMs }: MeasuredTest) => {
    const isIn = spent === 0 || spent + cpuMs <= mostMs;
    if (isIn) spent += cpuMs;
    return isIn;
  };
  return reaching.map((one) => ({ ...one, tests: one.tests.filter(fits) })).filter(({ tests }) => tests.length > 0);
}

function runOf({ file, tests }: Reaching): TestsOf {
  return { file, tests: Object.fromEntries(tests.map(({ name, ms }) => [name, limitOf(ms)])) };
}

/** `test/unit/reconcile/source.test.ts` is what `lib/reconcile/source.ts` is tested by first. */
function mirrors(test: string, file: string): boolean {
  return basename(test, ".test.ts") === basename(file, ".ts");
}

function importersOf(baselines: readonly Baseline[]): ReadonlyMap<string, ReadonlySet<string>> {
  const importers = new Map<string, Set<string>>();
  for (const { imports } of baselines) {
    for (const [importer, imported] of Object.entries(imports)) {
      for (const file of imported) importers.set(file, (importers.get(file) ?? new Set()).add(importer));
    }
  }
  return importers;
}

/** The file, and all that comes to import it. */
function closureOf(file: string, importers: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const found = new Set([file]);
  for (const one of found) for (const importer of importers.get(one) ?? []) found.add(importer);
  return [...found];
}
