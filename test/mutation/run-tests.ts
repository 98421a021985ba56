import { spawn } from "node:child_process";
import { join, relative } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { FAILURE_FD, FILES_VARIABLE, type LoadedMutant, MUTANT_VARIABLE } from "./load.ts";

export interface TestRun {
  readonly root: string;
  /** Run in this order, in one process. */
  readonly files: readonly string[];
  /** Tests that are left out, by name. */
  readonly tooSlow: readonly string[];
  readonly timeoutMs: number;
  readonly mutant?: LoadedMutant;
  /** Folder for V8's coverage. */
  readonly coverage?: string;
}

export interface TestResult {
  readonly passed: boolean;
  /** The test that failed first, or what else ended the run. */
  readonly failure: string;
  /** Where the test that failed stands. */
  readonly file?: string;
  readonly timedOut: boolean;
  readonly ms: number;
  readonly errors: string;
}

const beside = (file: string) => pathToFileURL(join(import.meta.dirname, file)).href;
const STRAYS = pathToFileURL(join(import.meta.dirname, "..", "strays.ts")).href;

/** Ends what is under way when this process does: groups of their own get no signal of a terminal. */
const running = new Set<() => void>();
process.on("exit", () => {
  for (const kill of running) kill();
});

/** Runs test files in a process of their own, up to the first failure. */
export async function runTests({ root, files, tooSlow, timeoutMs, mutant, coverage }: TestRun): Promise<TestResult> {
  const started = performance.now();
  const urls = files.map((file) => pathToFileURL(join(root, file)).href);
  const child = spawn(
    process.execPath,
    [
      ...tooSlow.map((name) => `--test-skip-pattern=${name}`),
      `--import=${STRAYS}`,
      `--test-reporter=${beside("first-failure.ts")}`,
      join(import.meta.dirname, "files.ts"),
    ],
    {
      cwd: root,
      // A group of its own: what tests started ends with them.
      detached: true,
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        // Reaches threads and processes that tests start as well.
        NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${beside("mutant-hook.ts")}`,
        // Else node:test takes it for a part of the run that this one is a test of, and uses no reporter of its own.
        NODE_TEST_CONTEXT: undefined,
        [FILES_VARIABLE]: JSON.stringify(urls),
        ...(mutant && { [MUTANT_VARIABLE]: JSON.stringify(mutant) }),
        ...(coverage && { NODE_V8_COVERAGE: coverage }),
      },
    },
  );
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  running.add(kill);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, timeoutMs);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      clearTimeout(timer);
      running.delete(kill);
      // Their pipes may be held open by what they left behind.
      kill();
      resolve(code);
    });
  });
  const [code, failed, errors] = await Promise.all([
    ended,
    text(child.stdio[FAILURE_FD] as NodeJS.ReadableStream),
    text(child.stderr as NodeJS.ReadableStream),
  ]);
  const other = timedOut
    ? "timed out"
    : (errors
        .trim()
        .split("\n")
        .find((line) => /Error/.test(line)) ?? `exit ${code}`);
  const { name: failure, file } = failed === "" ? {} : (JSON.parse(failed) as { name?: string; file?: string });
  return {
    passed: code === 0 && !timedOut,
    failure: failure || other,
    ...(file !== undefined && { file: relative(root, file) }),
    timedOut,
    ms: performance.now() - started,
    errors: errors.slice(-2_000),
  };
}
