import { join } from "node:path";
import { parseArgs } from "node:util";
import { table } from "../../cli/table.ts";
import { seededRandom } from "../e2e/support/chaos.ts";
import { bundleChild, type Children, children } from "./children.ts";
import { type Fault, idOf, type Outcome, type Point, runPoint, type Series, seriesId } from "./point.ts";
import { SCENARIOS } from "./scenarios.ts";
import { type CrashWorld, startCrashWorld } from "./world.ts";

const USAGE = `Kills keyferry before and after each effect of each scenario, starts it again, and looks at real servers:
the login works, Vault has one lease for the sync, and the row agrees.

  npm run test:crash                                             all points
  npm run test:crash -- --only re-issue                          the series whose names begin so; * stands for anything
  npm run test:crash -- --only first-issue/sqlite/openbao/7      one point, with its log
  npm run test:crash -- --sample 60 --seed 3                     a sample of all points
  npm run test:crash -- --seconds 90 --seed 3                    a sample, for so long

  --jobs N      points at once (4)
  -o json       the result as JSON

Series: [fault:]scenario/store/vault. Exit codes: 0 nothing broke, 1 something did.
`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    sample: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "4" },
    output: { type: "string", short: "o", default: "text" },
    help: { type: "boolean", default: false },
  },
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Faults that take place at requests to Vault; those that are the same in any scenario are tried in some only. */
const FAULTS: Readonly<Record<Fault, readonly string[] | "all">> = {
  killed: "all",
  "taken-over": ["first-issue", "re-issue"],
  late: ["first-issue", "re-issue", "revoked-elsewhere", "delete", "certificate-re-issue"],
  swallowed: "all",
  cut: ["first-issue", "re-issue", "revoked-elsewhere", "delete"],
  frozen: ["first-issue", "re-issue", "revoked-elsewhere", "delete"],
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
}

/** Every point of these series, each until it runs through. */
async function runAll({ world, ready, jobs, done }: Plan, series: readonly Series[]): Promise<void> {
  const left = [...series];
  await inParallel(
    jobs,
    () => left.shift(),
    async (one) => {
      for (let n = 1; ; n++) {
        const point = { ...one, n };
        const outcome = await runPoint(world, ready, point);
        done({ point, outcome });
        if (outcome.at === undefined) return;
      }
    },
  );
}

/** About as many effects, or requests to Vault, as a scenario has. */
const EFFECTS = 36;
const REQUESTS = 4;

async function runSample({ world, ready, jobs, done }: Plan, series: readonly Series[]): Promise<void> {
  const random = seededRandom(Number(values.seed));
  const pick = (below: number): number => Math.floor(random() * below);
  const until = performance.now() + Number(values.seconds ?? 3_600) * 1_000;
  let left = Number(values.sample ?? 1_000_000);
  const next = (): Point | undefined => {
    const one = series[pick(series.length)];
    const most = one !== undefined && ["swallowed", "cut", "frozen"].includes(one.fault) ? REQUESTS : EFFECTS;
    return one === undefined || left-- <= 0 || performance.now() > until ? undefined : { ...one, n: 1 + pick(most) };
  };
  await inParallel(jobs, next, async (point) => done({ point, outcome: await runPoint(world, ready, point) }));
}

function report(ran: readonly Ran[]): void {
  const stopped = ran.filter(({ outcome }) => outcome.at !== undefined);
  const sum = (of: (outcome: Outcome) => number): number => ran.reduce((all, { outcome }) => all + of(outcome), 0);
  const broken = ran.filter(({ outcome }) => isBroken(outcome));
  const total = {
    points: stopped.length,
    ranThrough: ran.length - stopped.length,
    leakedLeases: sum(({ leaked }) => leaked),
    doubledIssues: sum(({ doubled }) => doubled),
    spareCertificates: sum(({ spare }) => spare),
    failures: broken.map(({ point, outcome: { log: _log, ...rest } }) => ({ point: idOf(point), ...rest })),
  };
  if (values.output === "json") {
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
    `${total.points} points, ${total.leakedLeases} leaked leases, ${total.doubledIssues} doubled issues, ` +
      `${total.spareCertificates} spare certificates, ${broken.length} failures`,
  );
  for (const { point } of broken) say(`npm run test:crash -- --only ${idOf(point)}`);
}

async function main(): Promise<boolean> {
  if (values.help) say(USAGE);
  if (values.help) return true;
  const [, wanted = "", number] = /^(.*?)(?:\/(\d+))?$/.exec(values.only ?? "") ?? [];
  const begins = new RegExp(`^${wanted.replaceAll("*", ".*")}`);
  const series = allSeries().filter((one) => begins.test(seriesId(one)));
  if (series.length === 0) throw new Error(`no series begins with ${wanted}`);
  const vaults = [...new Set(series.map(({ vault }) => vault))];
  const startedAt = performance.now();
  await using world = await startCrashWorld(vaults);
  process.stderr.write(`started the servers in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s\n`);
  const jobs = Number(values.jobs);
  await using ready = children(await bundleChild(join(world.folder, "bundle")), number === undefined ? jobs : 1);
  const ran: Ran[] = [];
  let toldAt = performance.now();
  const done = (one: Ran): void => {
    ran.push(one);
    tell(one, number !== undefined);
    if (performance.now() - toldAt < 20_000) return;
    toldAt = performance.now();
    process.stderr.write(`${ran.length} points, ${ran.filter(({ outcome }) => isBroken(outcome)).length} broken\n`);
  };
  const plan = { world, ready, jobs, done };
  if (number !== undefined) {
    const [one] = series;
    if (one !== undefined)
      done({
        point: { ...one, n: Number(number) },
        outcome: await runPoint(world, ready, { ...one, n: Number(number) }),
      });
  } else if (values.sample !== undefined || values.seconds !== undefined) await runSample(plan, series);
  else await runAll(plan, series);
  report(ran);
  return !ran.some(({ outcome }) => isBroken(outcome));
}

process.exitCode = (await main()) ? 0 : 1;
