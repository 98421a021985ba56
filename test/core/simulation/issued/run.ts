import { SECOND_MS } from "../../../../lib/clock.ts";
import { fingerprint } from "../../../../lib/digest.ts";
import type { SyncKey } from "../../../../lib/keys.ts";
import { partsOf } from "../../../../lib/keys.ts";
import { tokenSeals } from "../../../../lib/vault/token-seals.ts";
import { API } from "../../world/builders.ts";
import { SEALING_KEY } from "../../world/process.ts";
import { worldTime } from "../../world/time.ts";
import { monitor } from "../monitor.ts";
import { type Processes, processes } from "../processes.ts";
import { dice } from "../random.ts";
import { type Outcome, type RunOptions, textOf } from "../schedule.ts";
import { type Ended, ended, settled } from "./converged.ts";
import { type Disturbances, disturbancesOf } from "./disturbances.ts";
import { comesBack, happenIssued, setDown } from "./happen.ts";
import { type IssuedMonitor, issuedMonitor } from "./monitor.ts";
import { BUSY_MS, type IssuedPlan } from "./plan.ts";
import { type Secrets, secretsOf } from "./secrets.ts";
import { authOf, type IssuedSetting, issuedSetting, loginsOf } from "./setting.ts";

const START = Date.UTC(2030, 0, 1);
/** How often Vault, the table and the clusters are compared. */
const LOOK_MS = 5_000;
/** Once it is quiet, all is well within this: leases, back-offs and the pauses of circuits are shorter. */
const SETTLED_WITHIN_MS = 420_000;
const WITH_LOSS_MS = 720_000;
/** Once nothing is declared any more, all has ended within this: no lease is longer that can't be revoked. */
const ENDED_WITHIN_MS = 720_000;
/** Every so manieth run is watched at rest as well. */
const REST_OF = 3;
const DISPATCHED_MS = 20_000;
const REST_MS = 40_000;
/** The watch of a process that was killed holds its cluster for so long: what happened meanwhile is seen late. */
const WATCH_HELD_MS = 90_000;

interface Running {
  readonly plan: IssuedPlan;
  readonly setting: IssuedSetting;
  readonly working: Processes;
  readonly watching: IssuedMonitor;
  readonly secrets: Secrets;
  readonly disturbances: Disturbances;
  readonly say: (violation: string) => void;
  readonly claims: () => ReadonlyMap<SyncKey, number>;
  readonly trace: (line: string) => void;
  readonly time: ReturnType<typeof worldTime>;
}

/** One run of a plan with credentials that Vault issues: things happen, it comes to rest, and everything is deleted. */
export async function runIssued(plan: IssuedPlan, options: RunOptions = {}): Promise<Outcome> {
  const time = worldTime(START);
  const die = dice(plan.seed + 2_000_003);
  const lines: string[] = [];
  let hash = "";
  const setting = await issuedSetting(plan, time, die);
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
  for (const cluster of setting.clusters.values()) base.follow(cluster);
  const say = (violation: string): void => {
    trace(`VIOLATION ${violation}`);
    base.say(violation);
  };
  const disturbances = disturbancesOf(plan);
  const secrets = secretsOf(setting, disturbances);
  const seals = tokenSeals({
    keys: async () => [SEALING_KEY],
    installation: "world",
    randomBytes: (count) => Buffer.alloc(count),
  });
  const watching = issuedMonitor({ setting, seals, disturbances, secrets, say });
  const working = processes({
    ...{ plan, time, setting, die, trace },
    monitor: { ...base, say, store: (store, process) => watching.watch(base.store(store, process)) },
    onLog: watching.onLog,
    onTransit: (message, fate) => disturbances.onTransit(message, fate, trueTime.now()),
  });
  const running = { plan, setting, working, watching, secrets, disturbances, say, claims: base.claims, trace, time };
  try {
    await busy(running);
    await quiet(running);
  } finally {
    await working.end();
  }
  return { seed: plan.seed, violations: base.violations, steps: time.steps(), hash, trace: lines };
}

/** Lets time pass, and looks around again and again. */
async function pass({ time, watching, working }: Running, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= LOOK_MS) {
    await time.advance(Math.min(left, LOOK_MS));
    await time.tracked(watching.look(working.store));
  }
}

async function busy(running: Running): Promise<void> {
  const { plan, setting, working, watching, disturbances, trace } = running;
  let passed = 0;
  for (const action of plan.actions) {
    await pass(running, action.at - passed);
    passed = action.at;
    trace(textOf(action));
    disturbances.onAction(action, setting.trueTime.now());
    await happenIssued({ setting, processes: working, watching }, action);
  }
  await pass(running, BUSY_MS - passed);
}

/** Whatever was broken is whole again: all comes to rest; then all is deleted, and nothing may be left. */
async function quiet(running: Running): Promise<void> {
  const { plan, setting, working, watching, secrets, say, trace } = running;
  trace("quiet");
  setting.stepClock(-setting.offBy());
  setting.vault.fail(undefined);
  setting.vault.server.isSealed = false;
  setDown(setting, false);
  watching.calm();
  for (const cluster of setting.clusters.values()) {
    cluster.fail(undefined);
    for (const login of loginsOf(plan)) await cluster.apply(authOf(cluster.name, login));
  }
  working.calm();
  comesBack(setting, working);
  // A tick may pass a row by when the clock is stepped back and forth; the sweep of the due index finds it.
  const isLossy = plan.loss.lost > 0 || plan.actions.some((action) => action.do === "clock-step");
  const well = await until(running, isLossy ? WITH_LOSS_MS : SETTLED_WITHIN_MS, () =>
    settled(setting, working, secrets),
  );
  if (well === undefined) return;
  if (plan.seed % REST_OF === 0 && isFollowed(plan)) await stays(running);
  trace("all is deleted");
  for (const { cluster, key } of secrets.declared()) {
    const { kind, namespace, name } = partsOf(key);
    await cluster.delete({ apiVersion: API, kind, namespace, name });
  }
  const over = await until(running, ENDED_WITHIN_MS, () =>
    ended(setting, working, running.disturbances.wasClockStepped()),
  );
  if (over === undefined) return;
  for (const serial of well.revoked) {
    const one = setting.vault.certificates().find((made) => made.serial === serial);
    if (one !== undefined && one.revokedAt === undefined && one.until > setting.trueTime.now() + SECOND_MS)
      say(`certificates: ${serial} should be revoked with its declaration`);
  }
}

/** Hand edits, and whatever a watch that stood still missed, may be seen late; a clock that is put right skips slots. */
function isFollowed({ actions }: IssuedPlan): boolean {
  return !actions.some(({ do: what }) => what === "hand-edit" || what === "stall" || what === "clock-step");
}

async function until<T extends Ended>(running: Running, ms: number, look: () => Promise<T>): Promise<T | undefined> {
  for (let passed = 0; ; passed += LOOK_MS) {
    await pass(running, LOOK_MS);
    const found = await look();
    if (found.problems.length === 0) return found;
    if (passed < ms) continue;
    for (const problem of found.problems.slice(0, 5)) running.say(`convergence: ${problem}`);
    return undefined;
  }
}

/** Renewals write nothing: what is renewed for long claims no row. */
async function stays(running: Running): Promise<void> {
  const { plan, setting, working, secrets } = running;
  const isHeld = plan.actions.some(({ do: what }) => what === "crash" || what === "cluster-leaves");
  await pass(running, isHeld ? WATCH_HELD_MS + DISPATCHED_MS : DISPATCHED_MS);
  const { renewed } = await settled(setting, working, secrets);
  const before = new Map(running.claims());
  await pass(running, REST_MS);
  for (const key of renewed) {
    const claims = (running.claims().get(key) ?? 0) - (before.get(key) ?? 0);
    if (claims > 0) running.say(`lease-table 29: ${key} was claimed ${claims} times by renewals`);
  }
}
