import { planOfIssued } from "./issued/plan.ts";
import { runIssued } from "./issued/run.ts";
import { planOf } from "./plan.ts";
import { type Outcome, type RunOptions, run } from "./run.ts";

/** What a seed stands for: with which syncs, and how a run of it goes. */
export interface Schedule<P extends SomePlan = SomePlan> {
  planOf(seed: number): P;
  run(plan: P, options?: RunOptions): Promise<Outcome>;
}

export interface SomePlan {
  readonly actions: readonly { readonly at: number; readonly do: string }[];
}

export type ScheduleName = "static" | "issued";

export const SCHEDULES: Readonly<Record<ScheduleName, Schedule>> = {
  static: schedule({ planOf, run }),
  issued: schedule({ planOf: planOfIssued, run: runIssued }),
};

/** The plans of one schedule are only ever run by itself. */
function schedule<P extends SomePlan>(one: Schedule<P>): Schedule {
  return { planOf: one.planOf, run: (plan, options) => one.run(plan as P, options) };
}
