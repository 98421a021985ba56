import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Baseline } from "./baseline.ts";
import { isReached } from "./coverage.ts";
import { inParallel } from "./in-parallel.ts";
import type { Mutant } from "./mutants.ts";
import { runTests } from "./run-tests.ts";

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

/** A mutant that takes this much longer than the code without it hangs: three times the time, and a start on a busy machine. */
const timeoutOf = (ms: number): number => 3 * ms + 15_000;

/** Puts each mutant in place, alone, and runs the tests that reach it, until one of them fails. */
export async function judge(mutants: readonly Mutant[], options: JudgeOptions): Promise<readonly Verdict[]> {
  const { root, tooSlow, baselines, jobs, goesOn, seen } = options;
  const kills = new Map<string, number>();
  const verdicts = await inParallel(mutants, jobs, async (mutant): Promise<Verdict | undefined> => {
    if (!goesOn()) return undefined;
    const reaching = baselines.filter(({ coverage }) => isReached(coverage, mutant.file, mutant.start));
    const verdict =
      reaching.length === 0 ? ({ mutant, outcome: "unreached", ms: 0 } as const) : await run(mutant, reaching);
    seen(verdict);
    return verdict;
  });
  return verdicts.filter((verdict) => verdict !== undefined);

  async function run(mutant: Mutant, reaching: readonly Baseline[]): Promise<Verdict> {
    const killsBy = ({ file }: Baseline) => kills.get(`${mutant.file} ${file}`) ?? 0;
    const ordered = [...reaching].sort(
      (one, other) =>
        Number(mirrors(other.file, mutant.file)) - Number(mirrors(one.file, mutant.file)) ||
        killsBy(other) - killsBy(one) ||
        one.ms - other.ms,
    );
    const {
      passed,
      failure,
      file = "",
      timedOut,
      ms,
    } = await runTests({
      root,
      tooSlow,
      files: ordered.map(({ file }) => file),
      timeoutMs: timeoutOf(ordered.reduce((sum, one) => sum + one.ms, 0)),
      mutant: { url: pathToFileURL(join(root, mutant.file)).href, edit: mutant },
    });
    const killer = `${mutant.file} ${file}`;
    kills.set(killer, (kills.get(killer) ?? 0) + 1);
    if (passed) return { mutant, outcome: "survived", ms };
    return { mutant, outcome: timedOut ? "timed out" : "killed", by: failure, ms };
  }
}

/** `test/unit/reconcile/source.test.ts` is what `lib/reconcile/source.ts` is tested by first. */
function mirrors(test: string, file: string): boolean {
  return basename(test, ".test.ts") === basename(file, ".ts");
}
