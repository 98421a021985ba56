import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleepFor } from "node:timers/promises";
import { awsAccess } from "../../lib/aws/aws-access.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS, systemDeadline, systemSleep } from "../../lib/clock.ts";
import { notInFleet } from "../../lib/connect/not-in-fleet.ts";
import { accessTo } from "../../lib/connect/ways.ts";
import { described } from "../../lib/described.ts";
import { digestKey } from "../../lib/digest.ts";
import { releaseDeparted } from "../../lib/discovery/departed.ts";
import { runWatchPass } from "../../lib/discovery/watch-pass.ts";
import { folderFiles } from "../../lib/fleet/files.ts";
import { readFleet } from "../../lib/fleet/read-fleet.ts";
import { reachOfFleet, trustAnchors } from "../../lib/fleet/vaults.ts";
import { watchedFleet } from "../../lib/fleet/watched-fleet.ts";
import { KINDS } from "../../lib/kinds/registry.ts";
import { clusterClients } from "../../lib/kubernetes/cluster-client.ts";
import { kubernetesApis } from "../../lib/kubernetes/kubernetes-apis.ts";
import type { ReconcileDeps } from "../../lib/ports/deps.ts";
import type { WorkMessage, WorkQueue } from "../../lib/ports/queue.ts";
import type { Row } from "../../lib/ports/rows.ts";
import type { LeaseStore } from "../../lib/ports/store.ts";
import type { Log, LogFields } from "../../lib/ports/telemetry.ts";
import type { TokenStore } from "../../lib/ports/tokens.ts";
import { reconciler } from "../../lib/reconcile/reconcile.ts";
import { duePages } from "../../lib/schedule/due-pages.ts";
import { sendDue } from "../../lib/schedule/messages.ts";
import { tick } from "../../lib/schedule/tick.ts";
import { dynamoClient } from "../../lib/store/dynamodb/client.ts";
import { dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { goTemplates } from "../../lib/templates/template-engine.ts";
import { tokenSeals } from "../../lib/vault/token-seals.ts";
import { vaultApi } from "../../lib/vault/vault-api.ts";
import { type Effect, plainly } from "../core/world/effects.ts";
import { withEffects } from "./effects.ts";
import { fleetPathOf, logPathOf, type PointPlace, pointClock } from "./place.ts";

/**
 * One process of keyferry at one point: the core with its real adapters, as the engines wire it. What the engines do by
 * timers, the caller does step by step, so that the order of effects is the same each time.
 */
export interface Life extends AsyncDisposable {
  readonly store: LeaseStore;
  readonly now: () => EpochMs;
  /** What an engine does when it starts. */
  begin(): Promise<void>;
  /** Lists the cluster; false: another process has it. */
  watch(): Promise<boolean>;
  /** Works until nothing is due now. */
  work(): Promise<void>;
  skip(ms: number): void;
  /** Rows of syncs and their clean-ups. */
  rows(): Promise<readonly Row[]>;
}

const KEY = digestKey(Buffer.alloc(32, 7));
const SEALING = { keys: async () => [Buffer.alloc(32, 9)], installation: "crash", randomBytes };
/** As far ahead as the embedded engine's ticks dispatch. */
const HORIZON_MS = 2 * SECOND_MS;
/** The server is in the process of all points: a request that is late is not one that failed. */
const STORE_TIMEOUT_MS = 2 * MINUTE_MS;
/** Work makes work: more rounds than this are a loop. */
const MOST_ROUNDS = 8;

interface OpenStore extends AsyncDisposable {
  readonly leases: LeaseStore;
  readonly tokens: TokenStore;
  /** Only the process that has the data directory alone does this. */
  expireLeases(now: EpochMs): Promise<void>;
}

export function openStore({ folder, store: at }: PointPlace): OpenStore {
  if (at.kind === "sqlite") {
    const store = openSqliteStore({ path: join(folder, "state.db") });
    return {
      leases: store,
      tokens: store.tokens(),
      expireLeases: (now) => store.expireLeases(now),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  const client = dynamoClient({ region: "us-east-1", endpoint: at.endpoint, credentials });
  const leases = dynamoLeaseStore({ client, table: at.table, timeoutMs: STORE_TIMEOUT_MS });
  return {
    leases,
    tokens: leases.tokens,
    expireLeases: async () => undefined,
    [Symbol.asyncDispose]: async () => client.destroy(),
  };
}

const NO_METRICS = { count: () => undefined, observe: () => undefined };

function fileLog(place: PointPlace, now: () => EpochMs): Log {
  const line =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      appendFileSync(logPathOf(place), `${JSON.stringify({ at: now(), pid: process.pid, level, event, ...fields })}\n`);
  return { debug: () => undefined, info: line("info"), warn: line("warn"), error: line("error") };
}

async function wired(place: PointPlace, effect: Effect) {
  const parts = new AsyncDisposableStack();
  const time = parts.use(pointClock(place));
  const clock = time.now;
  const log = fileLog(place, clock);
  const opened = parts.use(openStore(place));
  const path = fleetPathOf(place);
  const read = await readFleet(path);
  const fleet = watchedFleet({ path, read, clock, sleep, log, metrics: NO_METRICS });
  const files = folderFiles(read.folder);
  const clients = clusterClients({
    clock,
    log,
    resolve(name) {
      const cluster = fleet.find(name);
      if (cluster === undefined) throw notInFleet(name);
      return accessTo(cluster, { files, clock, aws: awsAccess(clock), mayExec: true });
    },
  });
  parts.defer(() => clients.close());
  const apis = kubernetesApis({ clients, clock, log });
  const cache = { ...SEALING, store: withEffects("tokens", opened.tokens, effect) };
  const reachOf = reachOfFleet(fleet.current);
  const vault = vaultApi({ clock, credentials: apis.credentials, log, cache, reachOf });
  parts.defer(() => vault.close());
  const templates = goTemplates(clock);
  parts.defer(() => templates.close());
  const waiting: WorkMessage[] = [];
  const queue: WorkQueue = { send: async (messages) => void waiting.push(...messages) };
  const deps: ReconcileDeps = {
    leases: withEffects("store", opened.leases, effect),
    queue: withEffects("queue", queue, effect),
    vault: withEffects("vault", vault, effect),
    issues: withEffects("issues", vault.issues, effect),
    writes: withEffects("writes", vault.writes, effect),
    seals: tokenSeals(SEALING),
    ...apis,
    secrets: withEffects("secrets", apis.secrets, effect),
    resources: withEffects("resources", apis.resources, effect),
    rollouts: withEffects("rollouts", apis.rollouts, effect),
    clusters: withEffects("clusters", apis.clusters, effect),
    templates,
    fleet: (name) => fleet.find(name),
    anchors: trustAnchors(() => fleet.current().vaults, files),
    digestKey: KEY,
    installation: SEALING.installation,
    ...{ clock, random: Math.random, sleep: systemSleep, withDeadline: systemDeadline, log, metrics: NO_METRICS },
  };
  return { parts, time, opened, fleet, deps, waiting };
}

export async function live(place: PointPlace, effect: Effect = plainly): Promise<Life> {
  const { parts, time, opened, fleet, deps, waiting } = await wired(place, effect);
  const { clock, log, queue } = deps;
  const reconcile = reconciler({ ...deps, kinds: KINDS });
  const { signal } = new AbortController();
  const settings = () => fleet.find(place.name);

  const takeDue = (): readonly WorkMessage[] => {
    const due = waiting.filter(({ at }) => at <= clock());
    for (const message of due) waiting.splice(waiting.indexOf(message), 1);
    return due;
  };
  const round = async (): Promise<boolean> => {
    await tick(
      { leases: deps.leases, queue, clock, horizonMs: HORIZON_MS, backlog: () => ({}), log, metrics: NO_METRICS },
      signal,
    );
    await reconcile.circuits.probeDue(signal);
    const due = takeDue();
    for (const message of due) {
      const { failed } = await reconcile.handle(message, signal);
      for (const { key, error } of failed) log.error("run-crashed", { key, ...described(error), text: String(error) });
    }
    return due.length > 0;
  };
  return {
    store: opened.leases,
    now: clock,
    skip: time.skip,
    async begin() {
      await opened.expireLeases(clock());
      await releaseDeparted(deps, fleet.current().clusters, { isAlone: true });
      for (const lane of ["renew", "refresh"] as const) {
        const until = await deps.leases.dispatchedUntil(lane);
        if (until !== undefined) await deps.leases.moveDispatched(lane, until, until - 2 * MINUTE_MS);
      }
      const now = clock();
      for await (const page of duePages(deps.leases, { after: 0, until: now, now })) await sendDue(queue, page, now);
    },
    async watch() {
      const cluster = settings();
      if (cluster === undefined) return true;
      // Without cursors it lists, and need not wait for what may change.
      const options = { seconds: 0, againMs: 0, probeRevision: false, acceptMissing: true, sleep };
      const outcome = await runWatchPass(deps, reconcile.circuits, cluster, options, signal);
      return outcome.kind === "done" && outcome.error === undefined;
    },
    async work() {
      for (let rounds = 0; rounds < MOST_ROUNDS && (await round()); rounds++);
    },
    async rows() {
      const [rows, retired] = await Promise.all([deps.leases.byCluster(place.name), deps.leases.retired()]);
      const keys = [...rows, ...retired]
        .map(({ key }) => key)
        .filter((key) => /\/(Vault(Dynamic|PKI)Secret|Deployment)\//.test(key));
      return [...(await deps.leases.read([...new Set(keys)], "strong")).values()];
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Resolves early, without an error, when the signal aborts. */
const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  sleepFor(ms, undefined, { signal }).catch(() => undefined);

/** How long after now it must look again; undefined: everything is as it will be. */
export async function waitsFor({ rows, store, now }: Life, isGone: boolean): Promise<number | undefined> {
  const [found, circuits] = await Promise.all([rows(), store.circuits()]);
  const times = [
    ...found.filter((row) => !isQuiet(row, now(), isGone)).map(({ dueAt }) => dueAt ?? now() + 30 * SECOND_MS),
    ...circuits.map(({ probeAt }) => probeAt),
  ];
  return times.length === 0 ? undefined : Math.max(0, Math.min(...times) - now());
}

const SOON_MS = 10 * MINUTE_MS;

function isQuiet({ leaseUntil, state, dueAt }: Row, now: EpochMs, isGone: boolean): boolean {
  const { issues = [], error } = state;
  if (isGone || leaseUntil !== undefined || error !== undefined) return false;
  return issues.every((issue) => issue.state === "live") && (dueAt === undefined || dueAt > now + SOON_MS);
}
