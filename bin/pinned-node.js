import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const REQUIRED_MAJOR = 24;

/** The Node that runs keyferry: the one that runs us if it is new enough, else the one in the npm package `node`. */
export function pinnedNode() {
  if (Number.parseInt(process.versions.node, 10) === REQUIRED_MAJOR) return process.execPath;
  try {
    const require = createRequire(import.meta.url);
    return join(dirname(require.resolve("node/package.json")), "bin", "node");
  } catch {
    if (Number.parseInt(process.versions.node, 10) > REQUIRED_MAJOR) return process.execPath;
    process.stderr.write(
      `keyferry needs Node ${REQUIRED_MAJOR} and this is Node ${process.versions.node}. Install it, or run: npm install node@${REQUIRED_MAJOR}\n`,
    );
    process.exit(2);
  }
}

/**
 * A small heap that is swept often: the garbage of a first sync of thousands would stay resident for good. Young objects
 * in 2 x 4 MiB, old ones up to 1.5 times what the last sweep left.
 */
export const HEAP_FLAGS = ["--max-semi-space-size=4", "--heap-growing-percent=50"];

/**
 * One arena for glibc's malloc: it gives each thread one of its own, and what the threads of V8 compiled and collected in there
 * is never used again: a tenth of all that is resident.
 */
export const HEAP_ENV = { MALLOC_ARENA_MAX: "1" };

/**
 * Runs Node with these arguments in our place, where Node can do that: a parent that only waits costs as much memory as a
 * small engine. Else as a child that shares our terminal, passes signals on, and ends as it ended.
 */
export function runOnPinnedNode(args) {
  const node = pinnedNode();
  const all = ["--disable-warning=ExperimentalWarning", ...args];
  // An execve that fails ends the process without a word of ours.
  const env = { ...HEAP_ENV, ...process.env };
  if (process.execve && existsSync(node)) process.execve(node, [node, ...all], env);
  const child = spawn(node, all, { stdio: "inherit", env });
  const pass = (signal) => {
    // A terminal sends Ctrl-C to the whole group already; a second copy would read as "stop at once".
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => pass(signal));
  child.on("error", (error) => {
    process.stderr.write(`keyferry could not start ${node}: ${error.message}\n`);
    process.exit(2);
  });
  child.on("exit", (code, signal) => {
    if (signal) {
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(name);
      process.kill(process.pid, signal);
    } else process.exit(code ?? 1);
  });
}
