import { fingerprint } from "../../../lib/digest.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import { worldTime } from "../world/time.ts";
import { convergence } from "./converged.ts";
import { happen, setAuth } from "./happen.ts";
import { type Monitor, monitor } from "./monitor.ts";
import { BUSY_MS, NAMESPACES, type Plan } from "./plan.ts";
import { type Processes, processes } from "./processes.ts";
import { dice } from "./random.ts";
import { type Outcome, type RunOptions, textOf } from "./schedule.ts";
import { aSetting, mayHave, mayRead, type Setting } from "./setting.ts";

const START = Date.UTC(2030, 0, 1);
const LOOK_AGAIN_MS = 10_000;
/** Once it is quiet, all is as it should be within this: leases, back-offs and spreads are shorter. */
const MOST_MS = 420_000;
/**
 * Where messages were lost, the sweep of the due index finds what they were about, every ten minutes (lease-table 14). A
 * process that dies between a write and its message loses that message as well, and a tick may pass a row by when the
 * clock is stepped back and forth.
 */
const MOST_WITH_LOSS_MS = 720_000;
/** A lease lasts for longer than this, and what is left of it is too short for a call. */
const STOP_MS = 80_000;
/** Every so manieth run is watched at rest as well. */
const REST_OF = 4;
/** Slots that ticks had dispatched before a row joined the wheel are over by then: they dispatch two minutes ahead. */
const DISPATCHED_MS = 150_000;
/** What a settled sync does no more: at least two refreshes. */
const REST_MS = 60_000;

/** One run of a plan, from the first declaration to rest. */
export async function run(plan: Plan, options: RunOptions = {}): Promise<Outcome> {
  const time = worldTime(START);
  const die = dice(plan.seed + 1_000_003);
  const lines: string[] = [];
  let hash = "";
  const trace = (line: string): void => {
    const whole = `${time.now() - START} ${line}`;
    if (options.trace !== true) return;
    lines.push(whole);
    hash = fingerprint(hash, whole);
  };
  const setting = await aSetting(plan, time, die);
  const isClockStepped = plan.actions.some((action) => action.do === "clock-step");
  const watching = monitor({
    ...{ time, trace },
    observes: (name) => plan.clusters.find((cluster) => cluster.name === name)?.observe ?? "watch",
    mayHave,
    mayRead,
    canStopForLong: plan.actions.some((action) => action.do === "stall" && action.ms > STOP_MS),
    isClockSteady: !isClockStepped,
    isClockStepped,
  });
  for (const cluster of setting.clusters.values()) watching.follow(cluster);
  const working = processes({ plan, time, setting, monitor: watching, die, trace });
  try {
    await busy(plan, { setting, working, trace, time });
    await quiet(
      { setting, working, watching, time, trace },
      {
        isToRest: plan.seed % REST_OF === 0,
        mostMs: mayLoseMessages(plan) ? MOST_WITH_LOSS_MS : MOST_MS,
      },
    );
  } finally {
    await working.end();
  }
  return { seed: plan.seed, violations: watching.violations, steps: time.steps(), hash, trace: lines };
}

function mayLoseMessages({ loss, actions }: Plan): boolean {
  return loss.lost > 0 || actions.some((action) => action.do === "crash" || action.do === "clock-step");
}

interface Running {
  readonly setting: Setting;
  readonly working: Processes;
  readonly time: ReturnType<typeof worldTime>;
  readonly trace: (line: string) => void;
}

async function busy(plan: Plan, { setting, working, time, trace }: Running): Promise<void> {
  let passed = 0;
  for (const action of plan.actions) {
    await time.advance(action.at - passed);
    passed = action.at;
    trace(textOf(action));
    await happen({ setting, processes: working, time }, action);
  }
  await time.advance(BUSY_MS - passed);
}

interface Quiet {
  readonly isToRest: boolean;
  readonly mostMs: number;
}

/** Whatever was broken is whole again; then it must come to rest, and stay there. */
async function quiet(
  { setting, working, watching, time, trace }: Running & { readonly watching: Monitor },
  { isToRest, mostMs }: Quiet,
): Promise<void> {
  trace("quiet");
  setting.vault.fail(undefined);
  setting.vault.server.isSealed = false;
  for (const path of setting.versions.keys()) setting.vault.server.kv("kv")?.lag(path, 0);
  for (const cluster of setting.clusters.values()) {
    cluster.fail(undefined);
    for (const namespace of NAMESPACES) await setAuth(cluster, namespace, true);
  }
  working.calm();
  watching.quiet();
  for (const path of setting.versions.keys()) await setting.write(path);
  const well = await atRest({ setting, working, watching, time, trace }, mostMs);
  if (well === undefined || !isToRest) return;
  await stays(well, watching, time);
  // A process that stood still may have gone on since, with what it saw before.
  await atRest({ setting, working, watching, time, trace }, mostMs);
}

async function atRest(
  { setting, working, watching, time }: Running & { readonly watching: Monitor },
  mostMs: number,
): Promise<readonly SyncKey[] | undefined> {
  for (let passed = 0; ; passed += LOOK_AGAIN_MS) {
    await time.advance(LOOK_AGAIN_MS);
    const { problems, well } = await convergence(setting, working, time.now());
    if (problems.length === 0) {
      for (const owed of watching.unrestarted()) watching.say(`kubernetes-rules 20: ${owed}`);
      return well;
    }
    if (passed < mostMs) continue;
    for (const problem of problems.slice(0, 5)) watching.say(`convergence: ${problem}`);
    return undefined;
  }
}

/** An unchanged refresh claims nothing. The first slots after a settle may: they were handed out before it (lease-table 14). */
async function stays(well: readonly SyncKey[], watching: Monitor, time: Running["time"]): Promise<void> {
  await time.advance(DISPATCHED_MS);
  const before = new Map(watching.claims());
  await time.advance(REST_MS);
  for (const key of well) {
    const claims = (watching.claims().get(key) ?? 0) - (before.get(key) ?? 0);
    if (claims > 0) watching.say(`counts: ${key} was claimed ${claims} times at rest`);
  }
}
