import { parentPort, workerData } from "node:worker_threads";
import { loadWithBug } from "./loader.ts";
import type { ScheduleName } from "./schedule.ts";

/** What a worker is asked, and what it answers. */
export interface Batch {
  readonly from: number;
  readonly count: number;
}

export interface BatchDone {
  readonly runs: number;
  readonly steps: number;
  readonly failed: readonly {
    readonly kind: ScheduleName;
    readonly seed: number;
    readonly violations: readonly string[];
  }[];
}

// Errors are thrown by the thousand here, and nobody reads where.
Error.stackTraceLimit = 0;
const { bug, kinds } = workerData as { readonly bug?: string; readonly kinds: readonly ScheduleName[] };
if (bug !== undefined) loadWithBug(bug);
const { SCHEDULES } = await import("./schedules.ts");

parentPort?.on("message", ({ from, count }: Batch) => {
  void (async () => {
    const failed: BatchDone["failed"][number][] = [];
    let steps = 0;
    for (let seed = from; seed < from + count; seed++) {
      for (const kind of kinds) {
        const { planOf, run } = SCHEDULES[kind];
        const outcome = await run(planOf(seed));
        steps += outcome.steps;
        if (outcome.violations.length > 0) failed.push({ kind, seed, violations: outcome.violations });
      }
    }
    parentPort?.postMessage({ runs: count, steps, failed } satisfies BatchDone);
  })();
});
