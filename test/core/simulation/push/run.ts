import { fingerprint } from "../../../../lib/digest.ts";
import type { SyncKey } from "../../../../lib/keys.ts";
import { worldTime } from "../../world/time.ts";
import { monitor } from "../monitor.ts";
import { type Processes, processes } from "../processes.ts";
import { dice } from "../random.ts";
import { type Outcome, type RunOptions, textOf } from "../schedule.ts";
import { pushProblems } from "./converged.ts";
import { happenPush, refOf } from "./happen.ts";
import { declaredIn } from "./intended.ts";
import { type PushMonitor, pushMonitor } from "./monitor.ts";
import { BUSY_MS, type PushPlan, SECRETS, WORKLOADS } from "./plan.ts";
import { type PushSetting, pushSetting } from "./setting.ts";

const START = Date.UTC(2030, 0, 1);
const LOOK_AGAIN_MS = 10_000;
/** Once it is quiet, all is well within this: leases, back-offs and the pauses of circuits are shorter. */
const SETTLED_WITHIN_MS = 420_000;
/** The sweep of the due index finds what lost messages were about, every ten minutes. */
const WITH_LOSS_MS = 780_000;
const DISPATCHED_MS = 180_000;
const REST_MS = 90_000;

interface Running {
  readonly plan: PushPlan;
  readonly setting: PushSetting;
  readonly working: Processes;
  readonly watching: PushMonitor;
  readonly say: (violation: string) => void;
  readonly claims: () => ReadonlyMap<SyncKey, number>;
  readonly trace: (line: string) => void;
  readonly time: ReturnType<typeof worldTime>;
}

/** One run of a plan with annotated objects: things happen, it comes to rest, and everything is deleted. */
export async function runPush(plan: PushPlan, options: RunOptions = {}): Promise<Outcome> {
  const time = worldTime(START);
  const die = dice(plan.seed + 3_000_003);
  const lines: string[] = [];
  let hash = "";
  const setting = await pushSetting(plan, time, die);
  const { trueTime } = setting;
  const trace = (line: string): void => {
    if (options.trace !== true) return;
    const whole = `${trueTime.now() - START} ${line}`;
    lines.push(whole);
    hash = fingerprint(hash, whole);
  };
  const base = monitor({
    ...{ time, trace },
    observes: () => "watch",
    mayHave: () => true,
    mayRead: () => true,
    canStopForLong: plan.actions.some((action) => action.do === "stall" || action.do === "clock-step"),
    isClockSteady: false,
    isClockStepped: plan.actions.some((action) => action.do === "clock-step"),
  });
  const say = (violation: string): void => {
    trace(`VIOLATION ${violation}`);
    base.say(violation);
  };
  const watching = pushMonitor({ setting, say });
  const working = processes({
    ...{ plan, time, setting, die, trace },
    monitor: { ...base, say, store: (store, process) => watching.watch(base.store(store, process)) },
  });
  const running = { plan, setting, working, watching, say, claims: base.claims, trace, time };
  try {
    await busy(running);
    await quiet(running);
  } finally {
    await working.end();
  }
  return { seed: plan.seed, violations: base.violations, steps: time.steps(), hash, trace: lines };
}

async function busy({ plan, setting, working, watching, trace, time }: Running): Promise<void> {
  let passed = 0;
  watching.wanted();
  for (const action of plan.actions) {
    await time.advance(action.at - passed);
    passed = action.at;
    trace(textOf(action));
    await happenPush({ setting, processes: working, watching }, action);
  }
  await time.advance(BUSY_MS - passed);
}

/** Whatever was broken is whole again, and every Secret changes: all comes to rest; then all is deleted. */
async function quiet(running: Running): Promise<void> {
  const { setting, working, watching, trace } = running;
  trace("quiet");
  setting.stepClock(-setting.offBy());
  setting.vault.fail(undefined);
  setting.vault.server.isSealed = false;
  watching.calm();
  for (const cluster of setting.clusters.values()) cluster.fail(undefined);
  working.calm();
  for (const cluster of setting.clusters.values())
    for (const secret of SECRETS) {
      await setting.change(cluster, secret);
      watching.wanted();
    }
  if (!(await comesToRest(running))) return;
  await stays(running);
  trace("all is deleted");
  for (const cluster of setting.clusters.values())
    for (const name of [...WORKLOADS, ...SECRETS]) await cluster.delete(refOf(name));
  watching.wanted();
  await comesToRest(running);
}

async function comesToRest({ plan, setting, working, watching, time, say }: Running): Promise<boolean> {
  const { loss, actions } = plan;
  const isLossy = loss.lost > 0 || actions.some((action) => action.do === "crash" || action.do === "clock-step");
  for (let passed = 0; ; passed += LOOK_AGAIN_MS) {
    await time.advance(LOOK_AGAIN_MS);
    const problems = await pushProblems(setting, working, watching);
    if (problems.length === 0) return true;
    if (passed < (isLossy ? WITH_LOSS_MS : SETTLED_WITHIN_MS)) continue;
    for (const problem of problems.slice(0, 5)) say(`convergence: ${problem}`);
    return false;
  }
}

/** At rest nothing is written, and what is well is not even claimed. */
async function stays({ setting, working, watching, time, claims, say }: Running): Promise<void> {
  await time.advance(DISPATCHED_MS);
  const [writes, before] = [watching.writes(), new Map(claims())];
  await time.advance(REST_MS);
  if (watching.writes() > writes) say(`counts: ${watching.writes() - writes} versions are written at rest`);
  const declared = declaredIn(setting);
  const rows = await working.store.read(
    declared.map(({ key }) => key),
    "strong",
  );
  for (const { key, state } of rows.values()) {
    const times = (claims().get(key) ?? 0) - (before.get(key) ?? 0);
    if (state.error === undefined && times > 0) say(`counts: ${key} was claimed ${times} times at rest`);
  }
}
