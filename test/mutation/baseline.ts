import { createHash } from "node:crypto";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Coverage, readCoverage } from "./coverage.ts";
import { inParallel } from "./in-parallel.ts";
import { runTests } from "./run-tests.ts";

/** What a test file reaches of the unmutated code, and how long it takes for it. */
export interface Baseline {
  readonly file: string;
  readonly ms: number;
  readonly coverage: Coverage;
}

export interface BaselineOptions {
  readonly root: string;
  readonly tests: readonly string[];
  readonly tooSlow: readonly string[];
  readonly scope: ReadonlySet<string>;
  readonly jobs: number;
  readonly progress: (text: string) => void;
}

const LONGEST_MS = 300_000;
const LOADED = [
  "{lib,cli,functions,infra,bin}/**/*.{ts,js,yml}",
  "test/{unit,core,contract,harness}/**/*.ts",
  "test/*.ts",
  "package-lock.json",
];

/**
 * Runs each test file once on the unmutated code, then many of them in one process, as mutants meet them. A test that fails
 * there would kill whatever reaches it, so that no verdict would mean anything. What was seen is kept until the code changes.
 */
export async function baselines(options: BaselineOptions): Promise<readonly Baseline[]> {
  const { root, tests, tooSlow, jobs, progress } = options;
  const cache = join(root, "node_modules", ".cache", "keyferry-mutation");
  mkdirSync(cache, { recursive: true });
  const code = hash([hashOfCode(root), ...[...options.scope].sort(), ...tooSlow]);
  let done = 0;
  const found = await inParallel(tests, jobs, async (file) => {
    const kept = join(cache, `${hash([code, file, readFileSync(join(root, file), "utf8")])}.json`);
    const one = readKept(kept) ?? (await measured(options, file));
    writeFileSync(kept, JSON.stringify({ ...one, coverage: [...one.coverage] }));
    progress(`coverage: ${++done} of ${tests.length} test files`);
    return one;
  });
  const groups = Array.from({ length: jobs }, (_, job) => tests.filter((_test, at) => at % jobs === job));
  await inParallel(groups, jobs, async (files) => {
    const kept = join(cache, `${hash([code, ...files.map((file) => readFileSync(join(root, file), "utf8"))])}.green`);
    if (readText(kept) !== undefined) return;
    progress(`${files.length} test files in one process`);
    const { passed, failure, errors } = await runTests({ root, files, tooSlow, timeoutMs: LONGEST_MS });
    if (!passed) throw new Error(`tests fail together, on code without a mutant: ${failure}\n${errors}`);
    writeFileSync(kept, "");
  });
  return found;
}

async function measured({ root, scope, tooSlow }: BaselineOptions, file: string): Promise<Baseline> {
  const coverage = mkdtempSync(join(tmpdir(), "keyferry-mutation-"));
  try {
    const { passed, failure, errors, ms } = await runTests({
      root,
      files: [file],
      tooSlow,
      timeoutMs: LONGEST_MS,
      coverage,
    });
    if (!passed) throw new Error(`${file} fails on code without a mutant: ${failure}\n${errors}`);
    return { file, ms, coverage: readCoverage(coverage, root, scope) };
  } finally {
    rmSync(coverage, { recursive: true });
  }
}

/** All that test files may load. A test file loads no other test file. */
function hashOfCode(root: string): string {
  const files = globSync([...LOADED], { cwd: root });
  const others = files.filter((file) => !file.endsWith(".test.ts")).sort();
  return hash([process.version, ...others.flatMap((file) => [file, readFileSync(join(root, file), "utf8")])]);
}

function hash(parts: readonly string[]): string {
  const sum = createHash("sha256");
  for (const part of parts) sum.update(`${part.length}:${part}`);
  return sum.digest("hex").slice(0, 32);
}

function readKept(path: string): Baseline | undefined {
  const text = readText(path);
  if (text === undefined) return undefined;
  const kept = JSON.parse(text) as Omit<Baseline, "coverage"> & { coverage: [string, never][] };
  return { ...kept, coverage: new Map(kept.coverage) };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
