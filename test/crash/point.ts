import { nextSlot } from "../../lib/schedule/wheel.ts";
import { BEFORE_SLOT_MS, BETWEEN_VERSIONS_MS, refreshSlot, SLOT_TO_SLOT_MS } from "./acts.ts";
import type { Child, Children } from "./children.ts";
import { credentialOf, judge } from "./judge.ts";
import { live, waitsFor } from "./life.ts";
import { logOf } from "./place.ts";
import { declarePush, judgePush } from "./pushes.ts";
import { declare, putLoginRole, type Scenario } from "./scenarios.ts";
import type { Verdict } from "./verdict.ts";
import type { CrashWorld, Stage, StoreName, VaultName } from "./world.ts";

/**
 * What happens to the process, at its n-th effect (before: odd n, after: even n) or its n-th request to Vault.
 * `killed`: it is started again. `taken-over`: another one comes by when its lease is over. `late`: another one comes by,
 * and it goes on. `swallowed`: Vault's answer never comes. `cut`: killed while Vault is at work on the request.
 * `frozen`: stands still during it, and goes on after another one took over.
 */
export type Fault = "killed" | "taken-over" | "late" | "swallowed" | "cut" | "frozen";

export interface Series {
  readonly scenario: Scenario;
  readonly fault: Fault;
  readonly store: StoreName;
  readonly vault: VaultName;
}

export interface Point extends Series {
  readonly n: number;
}

export interface Outcome extends Verdict {
  /** Where it was; undefined: it ran through. */
  readonly at: string | undefined;
  readonly log: string;
}

export function idOf({ scenario, fault, store, vault, n }: Point): string {
  return `${seriesId({ scenario, fault, store, vault })}/${n}`;
}

export function seriesId({ scenario, fault, store, vault }: Series): string {
  return `${fault === "killed" ? "" : `${fault}:`}${scenario.name}/${store}/${vault}`;
}

let named = 0;

export async function runPoint(world: CrashWorld, ready: Children, point: Point): Promise<Outcome> {
  const { scenario, store, vault, fault } = point;
  await using stage = await world.open({ name: `p${++named}`, store, vault, ...pushIn(scenario) });
  const history: (string | undefined)[] = [];
  const see = async (): Promise<void> => {
    if (scenario.makes !== "push") history.push(await credentialOf(stage));
  };
  const isSlow = scenario.makes === "login" && (fault === "cut" || fault === "frozen");
  let at: string | undefined;
  try {
    await (scenario.makes === "push" ? declarePush(stage) : declare(stage, scenario.makes));
    if (scenario.isIssued) await recover(stage, { act: "look", end: "in-use" }, true);
    if (scenario.act === "renew") await comeNearSlot(stage);
    if (scenario.makes === "push") await letTimePass(stage);
    await scenario.change?.(stage);
    await see();
    if (isSlow) await putLoginRole(stage, "slow");
    at = await FAULTS[fault](stage, point, ready.take(), see);
    if (isSlow) await putLoginRole(stage, "fast");
    stage.proxy.follow(() => "pass");
    if (scenario.makes === "push") await scenario.meanwhile?.(stage);
    await see();
    await recover(stage, scenario, fault === "killed" && store === "sqlite");
    await see();
    const verdict = await (scenario.makes === "push" ? judgePush(stage, scenario) : judge(stage, scenario, history));
    const log = logOf(stage.place);
    const bugs = log.split("\n").filter((line) => line.includes('-crashed"'));
    return { ...verdict, at, log, failures: [...verdict.failures, ...bugs.slice(0, 3)] };
  } catch (error) {
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    return { leaked: 0, doubled: 0, spare: 0, at, log: `${logOf(stage.place)}${stack}\n`, failures: [String(error)] };
  }
}

function pushIn(scenario: Scenario) {
  return scenario.makes === "push" ? { push: scenario.push } : {};
}

/** Answers where it stopped the process; undefined: nowhere. */
type Disturb = (stage: Stage, point: Point, child: Child, see: () => Promise<void>) => Promise<string | undefined>;

const stopAt = ({ n }: Point, how: "kill" | "hold") =>
  ({ effect: Math.ceil(n / 2), where: n % 2 === 1 ? "before" : "after", how }) as const;

const killed: Disturb = async ({ place }, point, child) => {
  const told = await child.start({ place, act: point.scenario.act, stop: stopAt(point, "kill") });
  await child.kill();
  if (told === undefined) throw new Error("the child died by itself");
  return told.kind === "stopped" ? told.effect : undefined;
};

const late: Disturb = async (stage, point, child, see) => {
  const told = await child.start({ place: stage.place, act: point.scenario.act, stop: stopAt(point, "hold") });
  if (told?.kind === "stopped") {
    await see();
    await recover(stage, point.scenario, false);
    await see();
    mustBeDone(await child.goOn());
  } else mustBeDone(told);
  await child.kill();
  return told?.kind === "stopped" ? told.effect : undefined;
};

const swallowed: Disturb = async ({ place, proxy }, { n, scenario }, child) => {
  let at: string | undefined;
  proxy.follow((request) => {
    if (request === n) at = `request ${n}`;
    return request === n ? "swallow" : "pass";
  });
  mustBeDone(await child.start({ place, act: scenario.act }));
  await child.kill();
  return at;
};

const cut: Disturb = async ({ place, proxy }, { n, scenario }, child) => {
  let at: string | undefined;
  proxy.follow(
    () => "pass",
    (request) => {
      if (request !== n) return;
      at = `during request ${n}`;
      void child.kill();
    },
  );
  const told = await child.start({ place, act: scenario.act });
  if (at === undefined) mustBeDone(told);
  await child.kill();
  return at;
};

const frozen: Disturb = async (stage, { n, scenario }, child, see) => {
  const stood = Promise.withResolvers<string>();
  stage.proxy.follow(
    () => "pass",
    (request) => {
      if (request !== n) return;
      child.freeze();
      stood.resolve(`during request ${n}`);
    },
  );
  const ended = child.start({ place: stage.place, act: scenario.act });
  const first = await Promise.race([ended, stood.promise]);
  const at = typeof first === "string" ? first : undefined;
  if (at !== undefined) {
    stage.proxy.follow(() => "pass");
    await see();
    await putLoginRole(stage, "fast");
    await recover(stage, scenario, false);
    await see();
    child.thaw();
  }
  mustBeDone(await ended);
  await child.kill();
  return at;
};

const FAULTS: Readonly<Record<Fault, Disturb>> = { killed, "taken-over": killed, late, swallowed, cut, frozen };

function mustBeDone(told: Awaited<ReturnType<Child["goOn"]>>): void {
  if (told?.kind !== "done") throw new Error("the child died by itself");
}

/** As long as one that wants less than any TTL has. */
const MOST_SKIPPED_MS = 20 * 60_000;
const MOST_ROUNDS = 80;
/** The lease of a watch pass that was killed. */
const WATCH_AGAIN_MS = 62_000;

/** So that a tick has little to catch up with. */
async function comeNearSlot({ place }: Stage): Promise<void> {
  await using life = await live(place);
  const [row] = await life.rows();
  if (row?.renew === undefined) throw new Error("it is not on the renew wheel");
  const ms = nextSlot(row.renew, life.now()) - life.now() - BEFORE_SLOT_MS;
  if (ms > 0) life.skip(ms);
  await life.work();
}

/** A path gets one version in 30 s. */
async function letTimePass({ place }: Stage): Promise<void> {
  await using life = await live(place);
  life.skip(BETWEEN_VERSIONS_MS);
}

/** A process works without being disturbed until everything is quiet; the clock goes where the next work is. */
async function recover(stage: Stage, { act, end }: Pick<Scenario, "act" | "end">, begins: boolean): Promise<void> {
  await using life = await live(stage.place);
  let [isListed, skipped] = [false, 0];
  if (begins || act === "leave") await life.begin();
  if (act === "renew") {
    // A message of this slot may be lost: the next one finds the same.
    await life.work();
    await stage.proxy.idle();
    life.skip(SLOT_TO_SLOT_MS);
    await life.work();
  }
  // A message of a refresh slot may be lost: a later one finds the same.
  let slots = act === "reconcile" ? 2 : 0;
  for (let rounds = 0; rounds < MOST_ROUNDS; rounds++) {
    isListed ||= await life.watch();
    await life.work();
    // Time passes for Vault too: what may be at work there now is over before the clock moves.
    await stage.proxy.idle();
    const wait = isListed ? await waitsFor(life, end === "ended") : WATCH_AGAIN_MS;
    // Its next slots are known then.
    if (wait === undefined && slots-- <= 0) return await life.work();
    if (wait === undefined) await refreshSlot(life);
    const ms = Math.max(1_000, (wait ?? 0) + 100);
    skipped += ms;
    if (skipped > MOST_SKIPPED_MS) break;
    life.skip(ms);
  }
  const rows = (await life.rows()).map(({ key, state, dueAt, leaseUntil }) => {
    const { issues = [], error } = state;
    return {
      key,
      dueAt,
      leaseUntil,
      error: error?.code,
      message: error?.message,
      issues: issues.map((one) => one.state),
    };
  });
  throw new Error(`it does not become quiet: ${JSON.stringify(rows)}`);
}
