import { setTimeout as sleepFor } from "node:timers/promises";
import { circuitOfCluster } from "../circuits.ts";
import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { clustersOutOfSight } from "../discovery/out-of-sight.ts";
import { releaseDeparted } from "../discovery/starting-point.ts";
import { runWatchPass } from "../discovery/watch-pass.ts";
import type { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import { KINDS } from "../kinds/registry.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { KeysMessage, WorkQueue } from "../ports/queue.ts";
import type { Log } from "../ports/telemetry.ts";
import type { Progress } from "../reconcile/batch.ts";
import { type Reconciler, reconciler } from "../reconcile/reconcile.ts";
import { duePages } from "../schedule/due-pages.ts";
import { sendDue } from "../schedule/messages.ts";
import { tick } from "../schedule/tick.ts";
import type { BudgetLimits } from "./budgets.ts";
import { changingFleet } from "./changing-fleet.ts";
import { followers } from "./followers.ts";
import { messageRouter } from "./message-router.ts";
import { type InProcessQueue, inProcessQueue } from "./queue.ts";
import { tokenSweeps } from "./token-sweeps.ts";

/** What an engine is wired with; it brings its own queue. */
export interface EngineOptions {
  readonly deps: Omit<ReconcileDeps, "queue">;
  readonly clusters: readonly ClusterSettings[];
  /** Clusters in which a person accepts that many declarations are gone at once. */
  readonly acceptMissing: ReadonlySet<string>;
  readonly watchSeconds?: number;
  readonly tickMs?: number;
}

export interface Engine {
  /** Keeps everything in step until the signal; then finishes what is under way and resolves. */
  run(stop: AbortSignal): Promise<void>;
  /** One watch pass over every cluster, everything that is due, then done. Resolves with the clusters that could not be looked at. */
  once(stop: AbortSignal): Promise<readonly SyncError[]>;
  /**
   * The fleet from now on, while it runs: what left is released, what is new is looked at, and where settings changed
   * everything is looked at anew. Safe to repeat after it threw. `renewAll`: what holds for every cluster changed.
   */
  change(clusters: readonly ClusterSettings[], how?: { readonly renewAll: boolean }): Promise<void>;
  /** Every cluster was looked at at least once, or could not be. */
  isReady(): boolean;
  /** Names of the clusters, and of those that can't be looked at now. */
  sight(): Promise<Sight>;
}

export interface Sight {
  readonly clusters: readonly string[];
  readonly outOfSight: readonly string[];
}

const TICK_MS = SECOND_MS;
const WATCH_SECONDS = 60;
/** What was dispatched so long before a crash is dispatched again: the queue lives in memory (lease-table 13). */
const REWIND_MS = 2 * MINUTE_MS;
/** A clock that ticks each second need not dispatch two minutes ahead. */
const HORIZON_MS = 2 * SECOND_MS;
/** Keys at work at once. They mostly wait: each Vault and each cluster takes a few requests at a time, and a silent one must not take all. */
const LIMITS: BudgetLimits = {
  lane: { renew: 200, now: 800, refresh: 400 },
  cluster: 200,
  namespace: 100,
  waiting: 400,
};
/** What is under way when we stop has so long to end. */
const GRACE_MS = 20 * SECOND_MS;

/** Timers, an in-process queue and the same handlers as on AWS, in one process. */
export function embeddedEngine(options: EngineOptions): Engine {
  const working = new AbortController();
  const ready = new Set<string>();
  // The queue hands keys to the reconciler, which sends to the queue: tied here, and nowhere else.
  const queue: InProcessQueue = inProcessQueue({
    clock: options.deps.clock,
    limits: LIMITS,
    handle: (message, progress) => handle(options.deps.log, reconcile, message, { progress, signal: working.signal }),
  });
  const sweeps = tokenSweeps(options.deps.clock);
  const deps: ReconcileDeps = { ...options.deps, queue: messageRouter(queue, sweeps) };
  const reconcile = reconciler({ ...deps, kinds: KINDS });
  const runPass = watchPassOf(options, deps, reconcile, ready);
  const fleet = changingFleet(options.clusters, deps);

  const stopWork = async (): Promise<void> => {
    const limit = setTimeout(() => working.abort(), GRACE_MS).unref();
    await queue.stop();
    clearTimeout(limit);
  };
  return {
    isReady: () => fleet.clusters().every(({ name }) => ready.has(name)),
    change: (clusters, how) => fleet.change(clusters, how?.renewAll ?? false),
    async sight() {
      const [rows, open] = await Promise.all([deps.leases.clusters(), deps.leases.circuits()]);
      const clusters = fleet.clusters().map(({ name }) => name);
      return { clusters, outOfSight: clustersOutOfSight(clusters, rows, open) };
    },
    async run(stop) {
      await prepare(options.clusters, deps);
      const tickMs = options.tickMs ?? TICK_MS;
      const ticking = every(tickMs, deps, stop, async () => void (await tick(tickDeps(deps, queue), stop)));
      const probing = probe(tickMs, deps, reconcile, stop);
      const sweeping = every(tickMs, deps, stop, () =>
        sweeps.sweepDue((cluster) => sweep(reconcile, cluster, deps, stop)),
      );
      const following = followers((settings, until) => follow(deps, reconcile, settings, runPass, until), stop);
      await Promise.all([ticking, probing, sweeping, fleet.followedBy(following)]);
      await following.allDone();
      await stopWork();
    },
    async once(stop) {
      await prepare(options.clusters, deps);
      const passes = await Promise.all(options.clusters.map((settings) => runPass(settings, 0, true, stop)));
      await reconcile.circuits.probeDue(stop);
      await drain(deps, queue, stop);
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

async function prepare(clusters: readonly ClusterSettings[], deps: ReconcileDeps): Promise<void> {
  await releaseDeparted(deps, new Set(clusters.map((settings) => settings.name)));
  for (const lane of ["renew", "refresh"] as const) {
    const dispatchedUntil = await deps.leases.dispatchedUntil(lane);
    if (dispatchedUntil !== undefined)
      await deps.leases.moveDispatched(lane, dispatchedUntil, dispatchedUntil - REWIND_MS);
  }
  // What was dispatched and not done when the last process ended was lost with its queue, however old it was.
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
  // A person's word for one watch pass, not for those after a change of the fleet.
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

/** The next watch pass over a cluster that was out of reach comes as soon as a probe finds it again. */
async function untilNextPass(
  deps: ReconcileDeps,
  { circuits }: Reconciler,
  { name }: ClusterSettings,
  againAt: EpochMs,
  stop: AbortSignal,
): Promise<void> {
  const isOpen = async (): Promise<boolean> => {
    // A watch pass that meets the same trouble with the lease table says so.
    const open = await circuits.openAmong([circuitOfCluster(name)]).catch(() => undefined);
    return open !== undefined;
  };
  if (await isOpen()) {
    while (!stop.aborted && deps.clock() < againAt && (await isOpen())) await sleep(TICK_MS, stop);
  } else await sleep(againAt - deps.clock(), stop);
}

/** Ends that are out of reach are probed beside the ticks and beside each other: a silent one keeps nobody waiting. */
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

function tickDeps(deps: ReconcileDeps, queue: InProcessQueue): Parameters<typeof tick>[0] {
  const { leases, clock, log, metrics } = deps;
  const backlog = () => {
    const oldestAt = queue.oldest();
    return oldestAt === undefined ? {} : { oldestAt };
  };
  return { leases, queue: withoutBusy(queue), clock, log, metrics, horizonMs: HORIZON_MS, backlog };
}

/** What is at work stands in the due index until it is settled: dispatching it each second would only read it again. */
function withoutBusy(queue: InProcessQueue): WorkQueue<KeysMessage> {
  const isIdle = (key: SyncKey): boolean => !queue.isBusy("now", key);
  return {
    send: (messages) =>
      queue.send(messages.map((sent) => (sent.lane === "now" ? { ...sent, keys: sent.keys.filter(isIdle) } : sent))),
  };
}

/** Until nothing is due: work makes work (a nudge during work, a clean-up), but retries lie in the future. */
async function drain(deps: ReconcileDeps, queue: InProcessQueue, stop: AbortSignal): Promise<void> {
  await tick({ ...tickDeps(deps, queue), horizonMs: 0 }, stop);
  await queue.idle();
}

async function every(ms: number, deps: ReconcileDeps, stop: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!stop.aborted) {
    const startedAt = deps.clock();
    try {
      await work();
    } catch (error) {
      deps.log.error("tick-crashed", described(error));
    }
    await sleep(nextBeat(deps.clock, startedAt, ms), stop);
  }
}

function nextBeat(clock: Clock, startedAt: EpochMs, ms: number): number {
  return Math.max(0, startedAt + ms - clock());
}

/** Waits; a signal ends the wait early and is no error. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  try {
    await sleepFor(ms, undefined, { signal });
  } catch {
    // Only the signal ends it early.
  }
}
