import { parentPort, workerData } from "node:worker_threads";
import { loadWithBug } from "./loader.ts";

/** What a worker is asked, and what it answers. */
export interface Batch {
  readonly from: number;
  readonly count: number;
}

export interface BatchDone {
  readonly runs: number;
  readonly steps: number;
  readonly failed: readonly { readonly seed: number; readonly violations: readonly string[] }[];
}

// Errors are thrown by the thousand here, and nobody reads where.
Error.stackTraceLimit = 0;
const { bug } = workerData as { readonly bug?: string };
if (bug !== undefined) loadWithBug(bug);
const { planOf } = await import("./plan.ts");
const { run } = await import("./run.ts");

parentPort?.on("message", ({ from, count }: Batch) => {
  void (async () => {
    const failed: { seed: number; violations: readonly string[] }[] = [];
    let steps = 0;
    for (let seed = from; seed < from + count; seed++) {
      const outcome = await run(planOf(seed));
      steps += outcome.steps;
      if (outcome.violations.length > 0) failed.push({ seed, violations: outcome.violations });
    }
    parentPort?.postMessage({ runs: count, steps, failed } satisfies BatchDone);
  })();
});
