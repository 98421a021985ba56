import type { Schedule, SomePlan } from "./schedule.ts";

const MOST_RUNS = 200;

/** The same plan with as few actions as still break a rule: parts are left out, smaller and smaller ones. */
export async function shrunk(run: Schedule["run"], plan: SomePlan): Promise<SomePlan> {
  let { actions } = plan;
  let runs = 0;
  for (let size = Math.ceil(actions.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < actions.length && runs < MOST_RUNS; runs++) {
      const less = [...actions.slice(0, at), ...actions.slice(at + size)];
      const { violations } = await run({ ...plan, actions: less });
      if (violations.length > 0) actions = less;
      else at += size;
    }
  }
  return { ...plan, actions };
}
