import { planOfIssued } from "./issued/plan.ts";
import { runIssued } from "./issued/run.ts";
import { planOf } from "./plan.ts";
import { planOfPush } from "./push/plan.ts";
import { runPush } from "./push/run.ts";
import { run } from "./run.ts";
import type { Schedule, ScheduleName, SomePlan } from "./schedule.ts";

export const SCHEDULES: Readonly<Record<ScheduleName, Schedule>> = {
  static: schedule({ planOf, run }),
  issued: schedule({ planOf: planOfIssued, run: runIssued }),
  push: schedule({ planOf: planOfPush, run: runPush }),
};

/** The plans of one schedule are only ever run by itself. */
function schedule<P extends SomePlan>(one: Schedule<P>): Schedule {
  return { planOf: one.planOf, run: (plan, options) => one.run(plan as P, options) };
}
