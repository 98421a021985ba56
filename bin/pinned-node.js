import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const REQUIRED_MAJOR = 24;

/** The Node for keyferry: the running one if it is new enough, else the one in the npm package `node`. */
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
 * A small heap with frequent collections: otherwise the garbage of a first sync of thousands would stay resident. Young
 * objects in 2 x 4 MiB, old ones up to 1.5 times the size after the last collection.
 */
export const HEAP_FLAGS = ["--max-semi-space-size=4", "--heap-growing-percent=50"];

/**
 * One malloc arena: glibc gives each thread its own, and never reuses the memory that V8's threads freed there, a tenth
 * of all resident memory.
 */
export const HEAP_ENV = { MALLOC_ARENA_MAX: "1" };

/**
 * Replaces this process with Node and these arguments where possible, because a waiting parent takes as much memory as
 * a small engine. Otherwise starts a child that shares our terminal, forwards signals to it, and exits like it.
 */
export function runOnPinnedNode(args) {
  const node = pinnedNode();
  const all = ["--disable-warning=ExperimentalWarning", ...args];
  // A failed execve ends the process without any message.
  const env = { ...HEAP_ENV, ...process.env };
  if (process.execve && existsSync(node)) process.execve(node, [node, ...all], env);
  const child = spawn(node, all, { stdio: "inherit", env });
  const pass = (signal) => {
    // A terminal already sends Ctrl-C to the whole group; a second copy would mean "stop at once".
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
