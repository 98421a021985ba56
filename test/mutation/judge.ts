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
}

const MUTANTS_OF_A_WORKER = 150;

/** A test that takes this much longer than on the code without the mutant hangs: the machine may be busy with others. */
const limitOf = (ms: number): number => 10 * ms + 5_000;

/** Puts each mutant in place, alone, and runs the tests that reach it, the likeliest and quickest first, until one of them fails. */
export async function judge(mutants: readonly Mutant[], options: JudgeOptions): Promise<readonly Verdict[]> {
  const { root, tooSlow, baselines, jobs, goesOn, seen } = options;
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
    const reaching = baselines.map((one) => reachingOf(one, mutant)).filter(({ tests }) => tests.length > 0);
    if (reaching.length === 0) return { outcome: "unreached" };
    const killsBy = ({ file }: Reaching) => kills.get(`${mutant.file} ${file}`) ?? 0;
    const ordered = reaching.sort(
      (one, other) =>
        Number(mirrors(other.file, mutant.file)) - Number(mirrors(one.file, mutant.file)) ||
        killsBy(other) - killsBy(one) ||
        one.ms - other.ms,
    );
    const { failure, stopped } = await workers.run({
      tag,
      mutant: { file: mutant.file, edit: mutant },
      fresh: closureOf(mutant.file, importers),
      runs: ordered.map(runOf),
      tooSlow,
    });
    if (stopped !== undefined) return { outcome: stopped === "crashed" ? "killed" : stopped, by: stopped };
    if (failure === undefined) return { outcome: "survived" };
    const killer = `${mutant.file} ${failure.file}`;
    kills.set(killer, (kills.get(killer) ?? 0) + 1);
    return { outcome: "killed", by: failure.test };
  }
}

function reachingOf({ file, tests, shared }: Baseline, mutant: Mutant): Reaching {
  const isOfAll = isReached(shared, mutant.file, mutant.start);
  const reaching = tests.filter(({ coverage }) => isOfAll || isReached(coverage, mutant.file, mutant.start));
  return { file, tests: reaching, ms: reaching.reduce((sum, { ms }) => sum + ms, 0) };
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
