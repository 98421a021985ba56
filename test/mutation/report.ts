import { matchesGlob } from "node:path";
import { table } from "../../cli/table.ts";
import type { Config } from "./config.ts";
import type { Verdict } from "./judge.ts";
import { diffOf } from "./mutated-text.ts";

export interface FileResult {
  readonly file: string;
  readonly strict: boolean;
  readonly killed: number;
  readonly survived: number;
}

export interface Survivor {
  /** `file:line`. */
  readonly place: string;
  readonly operator: string;
  readonly strict: boolean;
  /** No test comes near it. */
  readonly unreached: boolean;
  readonly diff: readonly string[];
}

export interface Report {
  readonly seed: number;
  /** Mutants there are, and how many of them were tried. */
  readonly mutants: number;
  readonly tried: number;
  readonly killed: number;
  /** Of the killed: those that hung. */
  readonly timedOut: number;
  readonly survived: number;
  /** In percent. */
  readonly score: number;
  readonly strictScore: number;
  readonly passed: boolean;
  readonly files: readonly FileResult[];
  readonly survivors: readonly Survivor[];
}

export interface Tried {
  readonly seed: number;
  readonly mutants: number;
  readonly verdicts: readonly Verdict[];
  readonly sources: ReadonlyMap<string, string>;
}

export function reportOf({ seed, mutants, verdicts, sources }: Tried, { strict, enough }: Config): Report {
  const isStrict = (file: string) => strict.some((glob) => matchesGlob(file, glob));
  const files = [...Map.groupBy(verdicts, ({ mutant }) => mutant.file)].map(
    ([file, of]): FileResult => ({
      file,
      strict: isStrict(file),
      killed: of.filter(isKilled).length,
      survived: of.filter((one) => !isKilled(one)).length,
    }),
  );
  const killed = sum(files, "killed");
  const score = percent(files);
  const strictScore = percent(files.filter((one) => one.strict));
  return {
    seed,
    mutants,
    tried: verdicts.length,
    killed,
    timedOut: verdicts.filter(({ outcome }) => outcome === "timed out").length,
    survived: verdicts.length - killed,
    score,
    strictScore,
    passed: score >= enough.overall && strictScore >= enough.strict,
    files: files.sort((one, other) => one.file.localeCompare(other.file)),
    survivors: verdicts
      .filter((one) => !isKilled(one))
      .sort((one, other) => placeOf(one).localeCompare(placeOf(other), "en", { numeric: true }))
      .map((one) => ({
        place: placeOf(one),
        operator: one.mutant.operator,
        strict: isStrict(one.mutant.file),
        unreached: one.outcome === "unreached",
        diff: diffOf(sources.get(one.mutant.file) ?? "", one.mutant),
      })),
  };
}

function isKilled({ outcome }: Verdict): boolean {
  return outcome === "killed" || outcome === "timed out";
}

function placeOf({ mutant }: Verdict): string {
  return `${mutant.file}:${mutant.line}`;
}

function sum(files: readonly FileResult[], of: "killed" | "survived"): number {
  return files.reduce((all, file) => all + file[of], 0);
}

/** Rounded down: 99.99 % are not all of them. */
function percent(files: readonly FileResult[]): number {
  const tried = sum(files, "killed") + sum(files, "survived");
  return tried === 0 ? 100 : Math.floor((1000 * sum(files, "killed")) / tried) / 10;
}

export function textOf(report: Report, { enough }: Config): string {
  const rows = report.files.map(({ file, strict, killed, survived }) => [
    file,
    strict ? "strict" : "",
    String(killed),
    String(survived),
  ]);
  const survivors = report.survivors.map(({ place, operator, unreached, diff }) =>
    [`${place}  ${operator}${unreached ? ", and no test reaches it" : ""}`, ...diff.map((line) => `  ${line}`)].join(
      "\n",
    ),
  );
  return [
    table(["FILE", "", "KILLED", "SURVIVED"], rows).trimEnd(),
    ...(survivors.length > 0 ? ["Survivors:", ...survivors] : []),
    `seed ${report.seed}: ${report.tried} of ${report.mutants} mutants; ${report.killed} killed (${report.timedOut} by time-out), ${report.survived} survived`,
    `all files ${report.score} % (${enough.overall} needed), strict files ${report.strictScore} % (${enough.strict} needed): ${report.passed ? "enough" : "not enough"}`,
    "",
  ].join("\n\n");
}
