import { spawn } from "node:child_process";
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

/** Runs Node with these arguments as a child that shares our terminal, passes signals on, and ends as it ended. */
export function runOnPinnedNode(args) {
  const child = spawn(pinnedNode(), ["--disable-warning=ExperimentalWarning", ...args], { stdio: "inherit" });
  const pass = (signal) => {
    // A terminal sends Ctrl-C to the whole group already; a second copy would read as "stop at once".
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => pass(signal));
  child.on("error", (error) => {
    process.stderr.write(`keyferry could not start ${pinnedNode()}: ${error.message}\n`);
    process.exit(2);
  });
  child.on("exit", (code, signal) => {
    if (signal) {
      for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(name);
      process.kill(process.pid, signal);
    } else process.exit(code ?? 1);
  });
}
