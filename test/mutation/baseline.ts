import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Coverage } from "./coverage.ts";
import { inParallel } from "./in-parallel.ts";
import type { MeasuredTest } from "./messages.ts";
import { startWorkers, type Workers } from "./workers.ts";

/** What the tests of a file reach of the unmutated code, and how long each of them takes. */
export interface Baseline {
  readonly file: string;
  readonly tests: readonly MeasuredTest[];
  /** What ran for all of them: when the file was loaded, and in hooks of suites. */
  readonly shared: Coverage;
  /** What each file that was loaded imports. */
  readonly imports: Readonly<Record<string, readonly string[]>>;
}

export interface BaselineOptions {
  readonly root: string;
  readonly tests: readonly string[];
  readonly tooSlow: readonly string[];
  readonly scope: ReadonlySet<string>;
  readonly jobs: number;
  readonly progress: (text: string) => void;
}

/** A worker loads everything anew for each file: after so many the copies weigh. */
const FILES_OF_A_WORKER = 12;

/**
 * Runs each test file once on the unmutated code, many of them in one process, as mutants meet them. A test that fails there
 * would kill whatever reaches it, so that no verdict would mean anything. What was seen is kept until a file that was loaded for
 * it changes.
 */
export async function baselines(options: BaselineOptions): Promise<readonly Baseline[]> {
  const { root, tests, scope, jobs, progress } = options;
  const cache = join(root, "node_modules", ".cache", "keyferry-mutation");
  mkdirSync(cache, { recursive: true });
  using workers = startWorkers({ root, scope, jobsEach: FILES_OF_A_WORKER });
  const hashOf = hasher(options);
  let done = 0;
  return await inParallel(tests, jobs, async (file) => {
    const path = join(cache, `${sha256([file])}.json`);
    const kept = readKept(path);
    if (kept !== undefined && kept.hash === hashOf(kept.baseline)) return kept.baseline;
    const baseline = await measured(workers, options, file);
    writeFileSync(path, JSON.stringify({ hash: hashOf(baseline), baseline }));
    progress(`coverage of ${file}, ${++done} of at most ${tests.length} files`);
    return baseline;
  });
}

async function measured(workers: Workers, { tooSlow }: BaselineOptions, file: string): Promise<Baseline> {
  const { failure, stopped, done } = await workers.run({ tag: `alone=${sha256([file])}`, runs: [{ file }], tooSlow });
  if (failure) throw new Error(`${file} fails on code without a mutant: ${failure.test}\n${failure.error}`);
  if (done === undefined) throw new Error(`${file} fails on code without a mutant: it ${stopped}`);
  const { tests, shared, imports } = done;
  return { file, tests, shared, imports: reachableFrom(file, imports) };
}

/** A worker knows what all files import that it ever loaded. */
function reachableFrom(file: string, imports: Baseline["imports"]): Baseline["imports"] {
  const reached: Record<string, readonly string[]> = {};
  const left = [file];
  for (let one = left.pop(); one !== undefined; one = left.pop()) {
    if (Object.hasOwn(reached, one)) continue;
    reached[one] = imports[one] ?? [];
    left.push(...(imports[one] ?? []));
  }
  return reached;
}

/** Of the text of everything that was loaded, and of what else decides what is measured. */
function hasher({ root, scope, tooSlow }: BaselineOptions): (baseline: Baseline) => string {
  const options = sha256([process.version, readText(join(root, "package-lock.json")) ?? "", ...scope, ...tooSlow]);
  const texts = new Map<string, string>();
  const textOf = (file: string) => {
    const text = texts.get(file) ?? readText(join(root, file)) ?? "";
    texts.set(file, text);
    return text;
  };
  return ({ imports }) => sha256([options, ...Object.keys(imports).flatMap((file) => [file, textOf(file)])]);
}

function sha256(parts: readonly string[]): string {
  const sum = createHash("sha256");
  for (const part of parts) sum.update(`${part.length}:${part}`);
  return sum.digest("hex").slice(0, 32);
}

function readKept(path: string): { readonly hash: string; readonly baseline: Baseline } | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    // Nothing yet, or only part of it: it is measured again.
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
