import { circuitOfCluster } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { releaseDeparted } from "../discovery/departed.ts";
import { clustersOutOfSight } from "../discovery/out-of-sight.ts";
import { runWatchPass } from "../discovery/watch-pass.ts";
import type { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import { KINDS } from "../kinds/registry.ts";
import type { ReadLine } from "../nudging/deps.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Inlet } from "../ports/inlet.ts";
import type { KeptLookUps, KeysMessage, LookUpMessage, WorkQueue } from "../ports/queue.ts";
import type { Log } from "../ports/telemetry.ts";
import type { Progress } from "../reconcile/batch.ts";
import { type Reconciler, reconciler } from "../reconcile/reconcile.ts";
import { duePages } from "../schedule/due-pages.ts";
import { sendDue } from "../schedule/messages.ts";
import { tick } from "../schedule/tick.ts";
import { every, sleep } from "./beat.ts";
import type { BudgetLimits } from "./budgets.ts";
import { changingFleet, type FleetChangeOptions } from "./changing-fleet.ts";
import { drain } from "./drain.ts";
import { followers } from "./followers.ts";
import { lookUps } from "./look-ups.ts";
import { messageRouter } from "./message-router.ts";
import { type InProcessQueue, inProcessQueue } from "./queue.ts";
import { tokenSweeps } from "./token-sweeps.ts";
import { vaultEvents } from "./vault-events.ts";

/** The parts of an engine; it creates its own queue. */
export interface EngineOptions {
  readonly deps: Omit<ReconcileDeps, "queue">;
  readonly clusters: readonly ClusterSettings[];
  /** Clusters in which a person accepts that many declarations are gone at once. */
  readonly acceptMissing: ReadonlySet<string>;
  /** The clusters of a hub are not known yet: nobody is released. */
  readonly isIncomplete?: boolean;
  /** Keeps look-ups of this process for the next one. */
  readonly lookUps?: KeptLookUps;
  readonly watchSeconds?: number;
  readonly tickMs?: number;
}

export interface Engine {
  /** Keeps everything in step until the signal; then finishes the running work and resolves. */
  run(stop: AbortSignal): Promise<void>;
  /** One pass over every cluster, and all that is due or asked for. Resolves with the clusters whose pass failed. */
  once(stop: AbortSignal): Promise<readonly SyncError[]>;
  /**
   * Applies a fleet at runtime: releases clusters that left, watches new ones, and runs all syncs of clusters with new
   * settings. Call it again after an error.
   */
  change(clusters: readonly ClusterSettings[], how?: FleetChangeOptions): Promise<void>;
  /** Every cluster had a watch pass, or could not have one. */
  isReady(): boolean;
  /** Names of all clusters, and of those that can't be watched now. */
  sight(): Promise<Sight>;
  /** Where audit lines of this Vault of fleet.yaml go: exactly one for each Vault. */
  inlet(vault: string, readLine: ReadLine): Inlet;
}

export interface Sight {
  readonly clusters: readonly string[];
  readonly outOfSight: readonly string[];
}

const TICK_MS = SECOND_MS;
const WATCH_SECONDS = 60;
/** How soon a change of the Vaults in fleet.yaml is checked. */
const NAMES_MS = 10 * SECOND_MS;
/** Keys dispatched so long before a crash are dispatched again, because the queue is in memory (lease-table 13). */
const REWIND_MS = 2 * MINUTE_MS;
/** A clock that ticks each second need not dispatch two minutes ahead. */
const HORIZON_MS = 2 * SECOND_MS;
/**
 * Keys at work at once. Most of them wait: each Vault and cluster takes a few requests at a time, and a silent one must
 * not occupy all.
 */
const LIMITS: BudgetLimits = {
  lane: { renew: 200, now: 800, refresh: 400 },
  cluster: 200,
  namespace: 100,
  waiting: 400,
};
/** How long running work may take to end when keyferry stops. */
const GRACE_MS = 20 * SECOND_MS;

/** Timers, an in-process queue and the same handlers as on AWS, in one process. */
export function embeddedEngine(options: EngineOptions): Engine {
  const working = new AbortController();
  const ready = new Set<string>();
  // The only circular wiring: the queue hands keys to the reconciler, which sends to the queue.
  const queue: InProcessQueue = inProcessQueue({
    clock: options.deps.clock,
    limits: LIMITS,
    handle: (message, progress) => handle(options.deps.log, reconcile, message, { progress, signal: working.signal }),
  });
  const sweeps = tokenSweeps(options.deps.clock);
  const { clock } = options.deps;
  const looks = lookUps({ clock, kept: options.lookUps, sweep: (vault) => events.sweep(vault) });
  const deps: ReconcileDeps = { ...options.deps, queue: messageRouter(queue, sweeps, looks) };
  const reconcile = reconciler({ ...deps, kinds: KINDS });
  const runPass = watchPassOf(options, deps, reconcile, ready);
  const fleet = changingFleet(options.clusters, deps, options);
  const events = vaultEvents(deps, reconcile.ca, () => fleet.clusters()[0]?.vaults);

  const stopWork = async (): Promise<void> => {
    const limit = setTimeout(() => working.abort(), GRACE_MS).unref();
    await queue.stop();
    clearTimeout(limit);
  };
  return {
    inlet: events.inlet,
    isReady: () => fleet.clusters().every(({ name }) => ready.has(name)),
    change: (clusters, how = {}) => fleet.change(clusters, how),
    async sight() {
      const [rows, open] = await Promise.all([deps.leases.clusters(), deps.leases.circuits()]);
      const clusters = fleet.clusters().map(({ name }) => name);
      return { clusters, outOfSight: clustersOutOfSight(clusters, rows, open) };
    },
    async run(stop) {
      await prepare(options, deps);
      await Promise.all([looks.resume(), events.resume()]);
      const tickMs = options.tickMs ?? TICK_MS;
      const ticking = every(tickMs, deps, stop, async () => {
        await tick(tickDeps(deps, queue, fleet.clusters().length === 1), stop);
      });
      const probing = probe(tickMs, deps, reconcile, stop);
      const sweeping = every(tickMs, deps, stop, () =>
        sweeps.sweepDue((cluster) => sweep(reconcile, cluster, deps, stop)),
      );
      const look = async (message: LookUpMessage) => void (await reconcile.handle(message, stop));
      const looking = every(tickMs, deps, stop, () => looks.runDue(look));
      const naming = every(NAMES_MS, deps, stop, () => events.checkNames(stop));
      const following = followers((settings, until) => follow(deps, reconcile, settings, runPass, until), stop);
      await Promise.all([ticking, probing, sweeping, looking, naming, fleet.followedBy(following)]);
      await following.allDone();
      await stopWork();
    },
    async once(stop) {
      await prepare(options, deps);
      const passes = await Promise.all(options.clusters.map((settings) => runPass(settings, 0, true, stop)));
      await reconcile.circuits.probeDue(stop);
      await drain(deps, queue, () => tick({ ...tickDeps(deps, queue, false), horizonMs: 0 }, stop), stop);
      await deps.events?.sweep(stop);
      await stopWork();
      return passes.map(({ error }) => error).filter((error) => error !== undefined);
    },
  };
}

async function handle(
  log: Log,
  reconcile: Reconciler,
  message: KeysMessage,
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
): Promise<void> {
  try {
    const { failed } = await reconcile.handle(message, signal, progress);
    // The lease table brings these back: a claimed row at leaseUntil, a due one with a later tick.
    for (const { key, error } of failed) log.error("run-crashed", { key, ...described(error) });
  } catch (error) {
    log.error("batch-crashed", { keys: message.keys.length, ...described(error) });
  }
}

async function prepare({ clusters, isIncomplete = false }: EngineOptions, deps: ReconcileDeps): Promise<void> {
  if (!isIncomplete) await releaseDeparted(deps, clusters, { isAlone: true });
  for (const lane of ["renew", "refresh"] as const) {
    const dispatchedUntil = await deps.leases.dispatchedUntil(lane);
    if (dispatchedUntil !== undefined)
      await deps.leases.moveDispatched(lane, dispatchedUntil, dispatchedUntil - REWIND_MS);
  }
  // The queue of the last process is lost, with all dispatched but unfinished keys, however old.
  const now = deps.clock();
  for await (const page of duePages(deps.leases, { after: 0, until: now, now })) await sendDue(deps.queue, page, now);
}

async function sweep(
  reconcile: Reconciler,
  cluster: string | undefined,
  { clock }: ReconcileDeps,
  stop: AbortSignal,
): Promise<void> {
  const which = cluster === undefined ? {} : { cluster };
  await reconcile.handle({ kind: "token-sweep", at: clock(), ...which }, stop);
}

interface PassResult {
  readonly againAt: EpochMs;
  readonly error?: SyncError;
}

type WatchPass = (
  settings: ClusterSettings,
  seconds: number,
  isFirst: boolean,
  stop: AbortSignal,
) => Promise<PassResult>;

function watchPassOf(
  options: EngineOptions,
  deps: ReconcileDeps,
  reconcile: Reconciler,
  ready: Set<string>,
): WatchPass {
  // Accepted for one watch pass only, not for those after a change of the fleet.
  const accepted = new Set(options.acceptMissing);
  return async (settings, seconds, isFirst, stop) => {
    try {
      return await runWatchPass(
        deps,
        reconcile.circuits,
        settings,
        {
          seconds,
          againMs: 0,
          probeRevision: isFirst,
          acceptMissing: accepted.delete(settings.name),
          sleep,
          onListed: () => ready.add(settings.name),
        },
        stop,
      );
    } catch (error) {
      deps.log.error("watch-pass-crashed", { cluster: settings.name, ...described(error) });
      return { againAt: deps.clock() + MINUTE_MS };
    } finally {
      ready.add(settings.name);
    }
  };
}

async function follow(
  deps: ReconcileDeps,
  reconcile: Reconciler,
  settings: ClusterSettings,
  runPass: WatchPass,
  stop: AbortSignal,
): Promise<void> {
  for (let isFirst = true; !stop.aborted; isFirst = false) {
    const { againAt } = await runPass(settings, WATCH_SECONDS, isFirst, stop);
    await untilNextPass(deps, reconcile, settings, againAt, stop);
  }
}

/** After an outage of the cluster, the next pass starts as soon as a probe succeeds. */
async function untilNextPass(
  deps: ReconcileDeps,
  { circuits }: Reconciler,
  { name }: ClusterSettings,
  againAt: EpochMs,
  stop: AbortSignal,
): Promise<void> {
  const isOpen = async (): Promise<boolean> => {
    // A watch pass reports the same failure of the lease table.
    const open = await circuits.openAmong([circuitOfCluster(name)]).catch(() => undefined);
    return open !== undefined;
  };
  if (await isOpen()) {
    while (!stop.aborted && deps.clock() < againAt && (await isOpen())) await sleep(TICK_MS, stop);
  } else await sleep(againAt - deps.clock(), stop);
}

/** Probes run concurrently with each other and with ticks, so that a silent end delays nothing. */
async function probe(ms: number, deps: ReconcileDeps, { circuits }: Reconciler, stop: AbortSignal): Promise<void> {
  const underWay = new Set<Promise<void>>();
  await every(ms, deps, stop, async () => {
    const probing = circuits
      .probeDue(stop)
      .catch((error: unknown) => deps.log.error("probe-crashed", described(error)))
      .finally(() => underWay.delete(probing));
    underWay.add(probing);
  });
  await Promise.all(underWay);
}

function tickDeps(deps: ReconcileDeps, queue: InProcessQueue, isAlone: boolean): Parameters<typeof tick>[0] {
  const { leases, clock, log, metrics } = deps;
  // Other lanes take no part: what waits in them is in the due index, or goes out whatever waits.
  const backlog = () => {
    const oldestAt = queue.oldest("refresh", isAlone);
    return oldestAt === undefined ? {} : { oldestAt };
  };
  return { leases, queue: withoutBusy(queue), clock, log, metrics, horizonMs: HORIZON_MS, backlog };
}

/** Keys at work stay in the due index until they are settled: each second's dispatch would only read them again. */
function withoutBusy(queue: InProcessQueue): WorkQueue<KeysMessage> {
  const isIdle = (key: SyncKey): boolean => !queue.isBusy("now", key);
  return {
    send: (messages) =>
      queue.send(messages.map((sent) => (sent.lane === "now" ? { ...sent, keys: sent.keys.filter(isIdle) } : sent))),
  };
}
