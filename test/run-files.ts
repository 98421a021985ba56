/**
 * Runs test files side by side, the longest first: `node bin/node24.js test/run-files.ts [--at-once N] [--record] FOLDER...`
 *
 * Node itself starts files by their names. Then a long file that starts late runs alone at the end, while cores are idle.
 * test/seconds.json has the files that take longest; `--record` writes it anew from this run. A file that is missing there
 * starts after those, so a new file needs no entry.
 */
import { existsSync, globSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { relative, resolve } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const SECONDS = new URL("seconds.json", import.meta.url);
/** Stories mostly wait, so more of them run than there are cores. The servers of one take up to two gigabytes. */
const AT_ONCE = Math.max(2, Math.min(6, Math.floor(totalmem() / (2 * 1024 ** 3))));
/** A file that takes less than this, in seconds, may start at any time. */
const LONG_S = 20;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { "at-once": { type: "string", default: `${AT_ONCE}` }, record: { type: "boolean", default: false } },
});

const known = JSON.parse(await readFile(SECONDS, "utf8")) as Readonly<Record<string, number>>;
const gone = Object.keys(known).filter((name) => !existsSync(resolve(ROOT, name)));
if (gone.length > 0) throw new Error(`test/seconds.json names files that are gone: ${gone.join(", ")}`);

/** A folder without a test would pass unseen. */
function filesOf(name: string): readonly string[] {
  const found = globSync(name.endsWith(".test.ts") ? name : `${name}/**/*.test.ts`, { cwd: ROOT });
  if (found.length === 0) throw new Error(`no test files in ${name}`);
  return found;
}

if (positionals.length === 0) throw new Error("which folders or files?");
const names = positionals.flatMap(filesOf).sort((a, b) => (known[b] ?? 0) - (known[a] ?? 0) || a.localeCompare(b));

// Files, and the commands that they start, load mostly the same modules.
process.env.NODE_COMPILE_CACHE ??= resolve(ROOT, "node_modules/.cache/compiled");
const stories = names.some((name) => name.startsWith("test/e2e/"));
const files = new Set(names.map((name) => resolve(ROOT, name)));
const took = new Map<string, number>();
// Ctrl-C ends the files that are under way, and these end their servers.
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
const tests = run({
  cwd: ROOT,
  signal: stop.signal,
  files: [...files],
  concurrency: Number(values["at-once"]),
  execArgv: ["--import", fileURLToPath(new URL("strays.ts", import.meta.url))],
  ...(stories ? { globalSetupPath: fileURLToPath(new URL("e2e/support/bundled.ts", import.meta.url)) } : {}),
})
  .on("test:fail", ({ todo }) => {
    if (todo === undefined || todo === false) process.exitCode = 1;
  })
  .on("test:complete", ({ name, details }) => {
    // A file is a test of the run, named by its path.
    if (files.has(name)) took.set(name, details.duration_ms ?? 0);
  });
tests.compose(spec).pipe(process.stdout);
tests.once("end", () => {
  if (values.record) void record();
});

/** The files of other suites keep their entries. */
async function record(): Promise<void> {
  const all = { ...known };
  for (const [path, ms] of took) all[relative(ROOT, path)] = Math.round(ms / 1_000);
  const long = Object.entries(all).filter(([, seconds]) => seconds >= LONG_S);
  const sorted = Object.fromEntries(long.sort(([, a], [, b]) => b - a));
  await writeFile(SECONDS, `${JSON.stringify(sorted, undefined, 2)}\n`);
}
