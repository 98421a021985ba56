import { join } from "node:path";
import { table } from "../../cli/table.ts";
import type { Bug } from "../core/simulation/bugs.ts";
import { seededRandom } from "../e2e/support/chaos.ts";
import { bundleChild, type Children, children } from "./children.ts";
import { type Fault, idOf, type Outcome, type Point, runPoint, type Series, seriesId } from "./point.ts";
import { PUSH_SCENARIOS } from "./pushes.ts";
import { SCENARIOS } from "./scenarios.ts";
import { type CrashWorld, startCrashWorld } from "./world.ts";

/** What is asked of the matrix. */
export interface Asked {
  /** The beginning of series, with `*` for anything, or one point. */
  readonly only: string;
  readonly jobs: number;
  /** Instead of all points. */
  readonly sample?: Sample;
  readonly isJson: boolean;
  /** In the processes that are stopped; whoever asks puts it into this one. */
  readonly bug?: Bug;
  /** The first n of each series. */
  readonly from?: number;
}

export interface Sample {
  readonly points: number;
  readonly ms: number;
  readonly seed: number;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const PUSHES = PUSH_SCENARIOS.map(({ name }) => name);

/** What is the same in any scenario is tried in some only. */
const FAULTS: Readonly<Record<Fault, readonly string[] | "all">> = {
  killed: "all",
  "taken-over": ["first-issue", "re-issue", "push-first", "push-change"],
  late: [
    ...["first-issue", "re-issue", "revoked-elsewhere", "delete", "certificate-re-issue"],
    ...["push-first", "push-change", "push-restore", "push-move", "push-delete"],
  ],
  swallowed: "all",
  cut: ["first-issue", "re-issue", "revoked-elsewhere", "delete", ...PUSHES],
  frozen: ["first-issue", "re-issue", "revoked-elsewhere", "delete", "push-change", "push-restore", "push-delete"],
};

function allSeries(): readonly Series[] {
  const faults = Object.entries(FAULTS) as [Fault, readonly string[] | "all"][];
  return faults.flatMap(([fault, names]) =>
    SCENARIOS.filter(({ name }) => names === "all" || names.includes(name)).flatMap((scenario) =>
      (["sqlite", "dynamodb"] as const).flatMap((store) =>
        (["openbao", "vault"] as const).map((vault) => ({ scenario, fault, store, vault })),
      ),
    ),
  );
}

interface Ran {
  readonly point: Point;
  readonly outcome: Outcome;
}

const isBroken = ({ leaked, doubled, failures }: Outcome): boolean => leaked + doubled + failures.length > 0;

function tell({ point, outcome }: Ran, isAlone: boolean): void {
  const { at, leaked, doubled, spare, failures } = outcome;
  const seen = [leaked && `${leaked} leaked`, doubled && `${doubled} doubled`, spare && `${spare} spare`, ...failures];
  if (isBroken(outcome) || isAlone)
    process.stderr.write(`${idOf(point)} (${at ?? "ran through"}): ${seen.filter(Boolean).join("; ") || "good"}\n`);
  if (isAlone) process.stderr.write(outcome.log);
}

/** Works on what `next` gives, some at once. */
async function inParallel<T>(jobs: number, next: () => T | undefined, work: (item: T) => Promise<void>): Promise<void> {
  const line = async (): Promise<void> => {
    for (let item = next(); item !== undefined; item = next()) await work(item);
  };
  await Promise.all(Array.from({ length: jobs }, line));
}

interface Plan {
  readonly world: CrashWorld;
  readonly ready: Children;
  readonly jobs: number;
  readonly done: (ran: Ran) => void;
  readonly from: number;
  /** Nobody wants more. */
  readonly isOver: () => boolean;
}

/** A process that met a slow machine may have had less to do. */
const RUNS_THROUGH = 2;

/** Every point of these series, each until it runs through. */
async function runAll({ world, ready, jobs, done, from, isOver }: Plan, series: readonly Series[]): Promise<void> {
  const left = [...series];
  const wholeSeries = async (one: Series): Promise<void> => {
    for (let n = from, through = 0; through < RUNS_THROUGH && !isOver(); n++) {
      const point = { ...one, n };
      const outcome = await runPoint(world, ready, point);
      done({ point, outcome });
      through = outcome.at === undefined ? through + 1 : 0;
    }
  };
  await inParallel(jobs, () => left.shift(), wholeSeries);
}

/** About as many effects, or requests to Vault, as a scenario has. */
const EFFECTS = 60;
const REQUESTS = 4;

async function runSample(plan: Plan, series: readonly Series[], sample: Sample): Promise<void> {
  const random = seededRandom(sample.seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const until = performance.now() + sample.ms;
  let left = sample.points;
  const next = (): Point | undefined => {
    const one = series[pick(series.length)];
    const most = one !== undefined && ["swallowed", "cut", "frozen"].includes(one.fault) ? REQUESTS : EFFECTS;
    return one === undefined || left-- <= 0 || performance.now() > until ? undefined : { ...one, n: 1 + pick(most) };
  };
  const { world, ready, jobs, done } = plan;
  await inParallel(jobs, next, async (point) => done({ point, outcome: await runPoint(world, ready, point) }));
}

function report(ran: readonly Ran[], isJson: boolean): void {
  const stopped = ran.filter(({ outcome }) => outcome.at !== undefined);
  const sum = (of: (outcome: Outcome) => number): number => ran.reduce((all, { outcome }) => all + of(outcome), 0);
  const broken = ran.filter(({ outcome }) => isBroken(outcome));
  const total = {
    points: stopped.length,
    ranThrough: ran.length - stopped.length,
    leaked: sum(({ leaked }) => leaked),
    doubled: sum(({ doubled }) => doubled),
    spareCertificates: sum(({ spare }) => spare),
    failures: broken.map(({ point, outcome: { log: _log, ...rest } }) => ({ point: idOf(point), ...rest })),
  };
  if (isJson) {
    say(JSON.stringify(total, undefined, 2));
    return;
  }
  const bySeries = Map.groupBy(ran, ({ point }) => seriesId(point));
  const rows = [...bySeries].map(([name, of]) => {
    const points = of.filter(({ outcome }) => outcome.at !== undefined).length;
    return [name, String(points), String(of.filter(({ outcome }) => isBroken(outcome)).length)];
  });
  say(table(["SERIES", "POINTS", "BROKEN"], rows).trimEnd());
  say(
    `${total.points} points, ${total.leaked} leaked leases or paths, ${total.doubled} doubled issues or versions, ` +
      `${total.spareCertificates} spare certificates, ${broken.length} failures`,
  );
  for (const { point } of broken) say(`npm run test:crash -- --only ${idOf(point)}`);
}

/** False: something broke. */
export async function runMatrix({ only, jobs, sample, isJson, bug, from = 1 }: Asked): Promise<boolean> {
  const [, wanted = "", number] = /^(.*?)(?:\/(\d+))?$/.exec(only) ?? [];
  const begins = new RegExp(`^${wanted.replaceAll("*", ".*")}`);
  const series = allSeries().filter((one) => begins.test(seriesId(one)));
  const [first] = series;
  if (first === undefined) throw new Error(`no series begins with ${wanted}`);
  const isAlone = number !== undefined;
  await using world = await startCrashWorld([...new Set(series.map(({ vault }) => vault))]);
  await using ready = children(await bundleChild(join(world.folder, "bundle"), bug), isAlone ? 1 : jobs);
  const ran: Ran[] = [];
  const broken = (): number => ran.filter(({ outcome }) => isBroken(outcome)).length;
  let toldAt = performance.now();
  const done = (one: Ran): void => {
    tell(one, isAlone);
    // Thousands of logs that nobody reads would fill the memory.
    ran.push({ ...one, outcome: { ...one.outcome, log: "" } });
    if (performance.now() - toldAt < 20_000) return;
    toldAt = performance.now();
    process.stderr.write(`${ran.length} points, ${broken()} broken\n`);
  };
  const plan = { world, ready, jobs, done, from, isOver: () => bug !== undefined && broken() > 0 };
  const point = { ...first, n: Number(number) };
  if (isAlone) done({ point, outcome: await runPoint(world, ready, point) });
  else if (sample !== undefined) await runSample(plan, series, sample);
  else await runAll(plan, series);
  report(ran, isJson);
  return broken() === 0;
}
