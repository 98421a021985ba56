import { globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, matchesGlob } from "node:path";
import { dice } from "../hostile/dice.ts";
import { baselines } from "./baseline.ts";
import type { Config } from "./config.ts";
import { judge } from "./judge.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";
import { mutatedText } from "./mutated-text.ts";
import { type Report, reportOf } from "./report.ts";

export interface MutateOptions {
  readonly root: string;
  readonly config: Config;
  readonly seed: number;
  /** How many mutants at most. */
  readonly sample: number;
  /** Files, by glob; with `:line` one line of them. */
  readonly only?: readonly string[];
  /** Files that are strict, and no others. */
  readonly strictOnly?: boolean;
  readonly jobs: number;
  /** After so long no further mutant is tried. What was tried by then is a sample as well, since the order is by chance. */
  readonly seconds?: number;
  /** Test time for one mutant, for a first look; else as the config says. */
  readonly testSeconds?: number;
  readonly progress: (text: string) => void;
}

/** Makes mutants of the files in scope, tries a sample of them, and says which of them no test noticed. */
export async function mutate(options: MutateOptions): Promise<Report> {
  const { root, config, seed, sample, only, strictOnly = false, jobs, seconds, testSeconds, progress } = options;
  const { tooSlow } = config;
  const filesOf = (globs: readonly string[], except: readonly string[]) =>
    globSync([...globs], { cwd: root, exclude: [...except] })
      .filter((file) => file.endsWith(".ts"))
      .sort();
  const files = [...new Set(filesOf(config.scope, config.except))];
  const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
  const isStrict = (file: string) => config.strict.some((glob) => matchesGlob(file, glob));
  const all = mutantsOf(sources)
    .filter((mutant) => only === undefined || only.some((one) => isChosen(mutant, one)))
    .filter(({ file }) => !strictOnly || isStrict(file));
  if (all.length === 0) throw new Error(`no mutants in ${only?.join(", ") ?? "the scope"}`);
  const chosen = sampled(all, sample, seed);
  for (const mutant of chosen) mustParse(mutant, sources.get(mutant.file) ?? "");
  const tests = [...new Set(filesOf(config.tests, config.withoutTests))];
  const measured = await baselines({ root, tests, tooSlow, scope: new Set(files), jobs, progress });
  const until = seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000;
  let done = 0;
  const verdicts = await judge(chosen, {
    root,
    tooSlow,
    counts: (test, file) =>
      config.testsOfSome.every(({ tests, files }) => !matchesGlob(test, tests) || matchesGlob(file, files)),
    isNearest: (test, file) =>
      config.nearest.some(({ tests, files }) => matchesGlob(test, tests) && matchesGlob(file, files)),
    mostMsFor: (file) => {
      if (testSeconds !== undefined) return testSeconds * 1000;
      return isStrict(file) ? Number.POSITIVE_INFINITY : config.mostTestMs;
    },
    baselines: measured,
    jobs,
    goesOn: () => performance.now() < until,
    seen: ({ mutant, outcome, by, ms }) =>
      progress(
        `${++done}/${chosen.length} ${outcome} ${mutant.file}:${mutant.line} ${mutant.operator}, ${(ms / 1000).toFixed(1)} s${by ? `: ${by}` : ""}`,
      ),
  });
  return reportOf({ seed, mutants: all.length, verdicts, sources }, config);
}

function isChosen({ file, line }: Mutant, only: string): boolean {
  const [, glob = only, at] = /^(.*?)(?::(\d+))?$/.exec(only) ?? [];
  return matchesGlob(file, glob) && (at === undefined || line === Number(at));
}

/** The same seed chooses the same of the same. */
export function sampled<T>(from: readonly T[], count: number, seed: number): readonly T[] {
  const { int } = dice(seed);
  const mixed = [...from];
  for (let at = 0; at < Math.min(count, from.length); at++) {
    const other = at + int(mixed.length - at);
    [mixed[at], mixed[other]] = [mixed[other] as T, mixed[at] as T];
  }
  return mixed.slice(0, count);
}

/** A mutant that can't be loaded would be killed by any test, and prove nothing. */
function mustParse(mutant: Mutant, text: string): void {
  try {
    stripTypeScriptTypes(mutatedText(text, mutant));
  } catch (cause) {
    throw new Error(`"${mutant.operator}" makes no TypeScript of ${mutant.file}:${mutant.line}`, { cause });
  }
}
