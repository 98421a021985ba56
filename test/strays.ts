import { createHook } from "node:async_hooks";

/**
 * Loaded into every test process (bin/node24.js): a promise that failed with nobody to hear it, or an exception that nobody
 * caught, fails the file, also after the test that it came of has passed. In production it would have ended the process, or
 * been swallowed by the last guard.
 */
const strays: string[] = [];

const noted =
  (kind: string) =>
  (error: unknown): void =>
    void strays.push(`${kind}: ${error instanceof Error ? error.stack : String(error)}`);

process.on("unhandledRejection", noted("a rejection that nobody heard"));
process.on("uncaughtExceptionMonitor", noted("an exception that nobody caught"));
process.on("exit", () => {
  if (strays.length === 0) return;
  process.exitCode = 1;
  process.stderr.write(`${strays.length} failures went astray; the first:\n${strays[0]}\n`);
});

/**
 * Node's test runner follows every promise from its creation to its collection, to name the test that a stray failure came
 * of. That takes two thirds of the time of test/core. Here its hook follows no promises, as with `trackPromises: false`,
 * and a stray failure fails the file.
 */
function followNoPromises(): void {
  const untracked = createHook({ trackPromises: false });
  const fields = untracked as unknown as Record<symbol, unknown>;
  const marks = Object.getOwnPropertySymbols(untracked).filter((field) => fields[field] === true);
  const prototype = Object.getPrototypeOf(untracked);
  const { enable } = prototype;
  prototype.enable = function (this: Record<symbol, unknown>) {
    for (const mark of marks) this[mark] = true;
    return enable.call(this);
  };
}
followNoPromises();
