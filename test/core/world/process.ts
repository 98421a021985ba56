import { type Clock, type Random, SECOND_MS } from "../../../lib/clock.ts";
import { digestKey } from "../../../lib/digest.ts";
import { runWatchPass, type WatchPassOutcome } from "../../../lib/discovery/watch-pass.ts";
import { domainEvents } from "../../../lib/domain-events/domain-events.ts";
import { KINDS } from "../../../lib/kinds/registry.ts";
import { kubernetesApis } from "../../../lib/kubernetes/kubernetes-apis.ts";
import { doubtsOf } from "../../../lib/nudging/doubts.ts";
import { createInlet } from "../../../lib/nudging/inlet.ts";
import type { ReconcileDeps } from "../../../lib/ports/deps.ts";
import type { EventSink } from "../../../lib/ports/domain-events.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { TrustAnchors } from "../../../lib/ports/fleet-vault.ts";
import type { Inlet } from "../../../lib/ports/inlet.ts";
import type { WorkMessage, WorkQueue } from "../../../lib/ports/queue.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import type { Log, Metrics } from "../../../lib/ports/telemetry.ts";
import type { TokenStore } from "../../../lib/ports/tokens.ts";
import { type Reconciler, reconciler } from "../../../lib/reconcile/reconcile.ts";
import { tick } from "../../../lib/schedule/tick.ts";
import { tokenSeals } from "../../../lib/vault/token-seals.ts";
import { type OpenVaultApi, vaultApi } from "../../../lib/vault/vault-api.ts";
import { readLine } from "./audit.ts";
import type { MemoryCluster } from "./cluster.ts";
import { memoryClients } from "./cluster-clients.ts";
import { type Effect, plainly } from "./effects.ts";
import type { MemoryQueue } from "./queue.ts";
import { plainTemplates } from "./templates.ts";
import type { WorldTime } from "./time.ts";
import type { MemoryVault } from "./vault.ts";
import { memoryVaultClient } from "./vault-client.ts";

/** What the processes of one keyferry share, and what they work on. */
export interface ProcessParts {
  readonly time: WorldTime;
  readonly store: LeaseStore;
  readonly tokens?: TokenStore;
  readonly queue: MemoryQueue;
  readonly clusterOf: (name: string) => MemoryCluster | undefined;
  readonly vaultAt: (address: string) => MemoryVault | undefined;
  readonly fleet: () => readonly ClusterSettings[];
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Around each effect of this process. */
  readonly effect?: Effect;
  /** Its own clock may be wrong. */
  readonly clock?: Clock;
  readonly installation?: string;
  /** They seal tokens: the first one is the present one. */
  readonly sealingKeys?: readonly Buffer[];
  /** Where domain events go. */
  readonly sink?: EventSink;
  /** The key of MACs that it makes where there is none; missing: it makes none. */
  readonly newMacKey?: Buffer;
  /** What `caFile` of each Vault of fleet.yaml holds. */
  readonly anchors?: TrustAnchors;
  /** Waits shorter than this take as long: the simulation need not wake so often. */
  readonly shortestSleepMs?: number;
}

/** The core as a process has it: wired as the embedded engine and the functions wire it, over a world in memory. */
export interface Keyferry {
  readonly deps: ReconcileDeps;
  readonly reconcile: Reconciler;
  readonly vault: OpenVaultApi;
  /** Where the lines of this Vault's audit log go. */
  inlet(vault: string): Inlet;
  /** Works on a message; false: some of it is to come again. */
  handle(message: WorkMessage): Promise<boolean>;
  tick(horizonMs: number): Promise<void>;
  probe(): Promise<void>;
  watch(
    settings: ClusterSettings,
    options: { readonly seconds: number; readonly isFirst: boolean },
  ): Promise<WatchPassOutcome>;
  sleep(ms: number): Promise<void>;
  /** The process is no more: whatever it waits for never comes. */
  crash(): void;
  isDead(): boolean;
  /** Told when it crashes. */
  onCrash(listener: () => void): void;
}

const KEY = digestKey(Buffer.alloc(32, 7));
/** What seals the tokens of a process that is given no other. */
export const SEALING_KEY = Buffer.alloc(32, 9);
const NOT_OF_PORTS = new Set<PropertyKey>(["counts", "tokens", Symbol.asyncDispose]);

/** A promise that is never kept: what a dead process waits for. */
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

export function keyferry(parts: ProcessParts): Keyferry {
  const { time, fleet, random, metrics } = parts;
  const { withDeadline } = time;
  const { clock = time.now, effect: around = plainly, installation = "world", newMacKey } = parts;
  const life = new AbortController();
  let isDead = false;
  const log = ofTheLiving(parts.log, () => isDead);
  const listeners: (() => void)[] = [];
  const effect: Effect = async (name, work, about) => {
    if (isDead) return never();
    try {
      const result = await around(name, work, about);
      return isDead ? never() : result;
    } catch (error) {
      return isDead ? never() : Promise.reject(error);
    }
  };
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    await time.sleep(ms > 0 ? Math.max(ms, parts.shortestSleepMs ?? 0) : ms, signal);
    if (isDead) await never();
  };
  const clients = memoryClients({ time, clusterOf: parts.clusterOf, effect });
  const apis = kubernetesApis({ clients, clock, log });
  const openClient = () => memoryVaultClient({ time, vaultAt: parts.vaultAt, effect, clock });
  const sealing = {
    keys: async () => parts.sealingKeys ?? [SEALING_KEY],
    installation,
    randomBytes: (count: number) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
  };
  const cache = parts.tokens && { ...sealing, store: withEffects(parts.tokens, "tokens", effect, time) };
  const vault = vaultApi({ clock, credentials: apis.credentials, log, openClient, ...(cache ? { cache } : {}) });
  const queue: WorkQueue = { send: (messages) => effect("queue send", () => parts.queue.send(messages)) };
  const leases = withEffects(parts.store, "store", effect, time);
  const events =
    parts.sink && domainEvents({ sink: sinkOf(parts.sink, effect), leases, clock, withDeadline, log, metrics });
  const deps: ReconcileDeps = {
    ...apis,
    leases: events?.seeing(leases) ?? leases,
    ...(events ? { events } : {}),
    queue,
    vault,
    issues: vault.issues,
    writes: vault.writes,
    seals: tokenSeals(sealing),
    templates: plainTemplates,
    fleet: (name) => fleet().find((settings) => settings.name === name),
    digestKey: KEY,
    ...{ installation, clock, random, sleep, withDeadline, log, metrics },
    ...(newMacKey ? { newHmacKey: () => newMacKey } : {}),
    ...(parts.anchors ? { anchors: parts.anchors } : {}),
  };
  const reconcile = reconciler({ ...deps, kinds: KINDS });
  const inlets = new Map<string, Inlet>();
  const doubtTokens = doubtsOf(vault, () => fleet()[0]?.vaults);
  return {
    ...{ deps, reconcile, vault, sleep },
    inlet(name) {
      const inlet = inlets.get(name) ?? createInlet({ ...deps, readLine, doubtTokens }, name);
      inlets.set(name, inlet);
      return inlet;
    },
    isDead: () => isDead,
    onCrash: (listener) => void listeners.push(listener),
    crash() {
      isDead = true;
      for (const listener of listeners.splice(0)) listener();
      // Nothing waits any more: otherwise its signals would keep the world in memory.
      life.abort();
    },
    async handle(message) {
      const { failed } = await reconcile.handle(message, life.signal);
      for (const { key, error } of failed) log.error("run-crashed", { key, error: String(error) });
      return failed.length === 0;
    },
    async tick(horizonMs) {
      const backlog = () => {
        const oldestAt = parts.queue.oldest();
        return oldestAt === undefined ? {} : { oldestAt };
      };
      await tick({ leases: deps.leases, queue, clock, horizonMs, backlog, log, metrics }, life.signal);
    },
    probe: () => reconcile.circuits.probeDue(life.signal),
    watch: (settings, { seconds, isFirst }) =>
      runWatchPass(
        deps,
        reconcile.circuits,
        settings,
        { seconds, againMs: 0, probeRevision: isFirst, acceptMissing: false, sleep },
        life.signal,
      ),
  };
}

export const TICK_MS = SECOND_MS;

/** A process that died logs nothing of its end. */
function ofTheLiving(log: Log, isDead: () => boolean): Log {
  const say =
    (level: keyof Log): Log["info"] =>
    (...args) => {
      if (!isDead()) log[level](...args);
    };
  return { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
}

function sinkOf(sink: EventSink, effect: Effect): EventSink {
  return { send: (events, signal) => effect("events send", () => sink.send(events, signal)) };
}

/** Every method that is asked is an effect; what the store really takes, the clock waits for. */
function withEffects<T extends object>(target: T, prefix: string, effect: Effect, time: WorldTime): T {
  const known = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(object, name) {
      const value: unknown = Reflect.get(object, name);
      if (typeof value !== "function" || NOT_OF_PORTS.has(name)) return value;
      const wrapped =
        known.get(name) ??
        ((...args: readonly unknown[]) =>
          effect(`${prefix} ${String(name)}`, () =>
            time.tracked(Reflect.apply(value, object, args) as Promise<unknown>),
          ));
      known.set(name, wrapped);
      return wrapped;
    },
  });
}
