import { join } from "node:path";
import { frameMeaning } from "../lib/audit/event-frames.ts";
import { lineReader } from "../lib/audit/line-meaning.ts";
import type { Clock } from "../lib/clock.ts";
import type { LazyVault } from "../lib/connect/lazy-vault.ts";
import type { Engine } from "../lib/embedded/engine.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import type { NamedVault } from "../lib/fleet/named-vaults.ts";
import { type EmbeddedInlets, type EmbeddedInletsOptions, embeddedInlets } from "../lib/inlets/embedded-inlets.ts";
import {
  type InstantUpdatesOptions,
  instantUpdates,
  type RunningInstantUpdates,
} from "../lib/inlets/instant-updates.ts";
import type { FleetFiles } from "../lib/ports/fleet-files.ts";
import type { Inlet } from "../lib/ports/inlet.ts";
import type { OwnCalls } from "../lib/ports/own-calls.ts";
import type { TakenPosts } from "../lib/ports/taken-posts.ts";
import type { Log } from "../lib/ports/telemetry.ts";
import type { VaultEvents } from "../lib/ports/vault-events.ts";
import type { PrometheusMetrics } from "../lib/telemetry/metrics.ts";
import type { OpenSocket } from "../lib/vault/event-socket.ts";
import { sleep } from "./stop-signal.ts";

export interface RunInletsOptions {
  readonly engine: Pick<Engine, "inlet">;
  /** What this process revoked itself. */
  readonly own: OwnCalls;
  readonly files: FleetFiles;
  readonly dataDir: { readonly path: string };
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: PrometheusMetrics;
  readonly access: Pick<LazyVault, "open">;
  readonly instant: RunningInstantUpdates;
  readonly fleet: () => Pick<Fleet, "clusters">;
  readonly posts: TakenPosts;
}

/** The inlets of `run`, which follow the Vaults of fleet.yaml. */
export interface RunInlets extends AsyncDisposable {
  set(vaults: readonly NamedVault[]): Promise<void>;
}

/** Ways in that only the functions on AWS serve. */
const OF_AWS: readonly (keyof VaultEvents)[] = ["cloudwatchLogs", "eventBridge", "s3", "post"];

export function runInlets({
  engine,
  own,
  files,
  dataDir,
  metrics,
  access,
  instant,
  fleet,
  posts,
  ...deps
}: RunInletsOptions): RunInlets {
  const inletOf = onePerVault((vault) => engine.inlet(vault, readLine));
  const readLine = lineReader(own);
  const frameInletOf = onePerVault((vault) => engine.inlet(vault, frameMeaning));
  const subscribe: EmbeddedInletsOptions["subscribe"] = async (vault, types, signal) =>
    (await access.open()).subscribe(vault, types, signal);
  const folder = join(dataDir.path, "inlets");
  const inlets: EmbeddedInlets = embeddedInlets({
    ...{ ...deps, metrics, inletOf, frameInletOf, subscribe, files, folder, posts, sleep, random: Math.random },
  });
  metrics.gauge(
    "keyferry_inlet_lag_bytes",
    "Bytes of followed audit files that are not taken yet.",
    ["vault"],
    async () => inlets.lags().map(({ vault, bytes }) => ({ labels: { vault }, value: bytes })),
  );
  metrics.gauge(
    "keyferry_event_subscriptions",
    "Subscriptions to events of Vaults for syncs with instantUpdates.",
    ["vault", "state"],
    async () => instant.counts().map(({ vault, state, count: value }) => ({ labels: { vault, state }, value })),
  );
  const stop = new AbortController();
  const clusters = fleet().clusters.map(({ name }) => name);
  const subscribing = instant.run(clusters, stop.signal);
  return {
    async set(vaults) {
      tellUnserved(deps.log, vaults);
      await inlets.set(vaults);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([inlets.close(), subscribing]);
    },
  };
}

/** Each coalesces what concerns its Vault, whatever the ways in. */
function onePerVault(make: (vault: string) => Inlet): (vault: string) => Inlet {
  const known = new Map<string, Inlet>();
  return (vault) => {
    const inlet = known.get(vault) ?? make(vault);
    known.set(vault, inlet);
    return inlet;
  };
}

export interface RunInstantOptions extends Omit<InstantUpdatesOptions, "inletOf" | "random" | "sleep"> {
  /** Needed once something arrives. */
  readonly engine: () => Pick<Engine, "inlet">;
}

/** The subscriptions of syncs with `instantUpdates`; an engine needs them before its inlets are there. */
export function runInstant({ engine, ...options }: RunInstantOptions): RunningInstantUpdates {
  const inletOf = (vault: string): Inlet => engine().inlet(vault, frameMeaning);
  return instantUpdates({ ...options, inletOf, sleep, random: Math.random });
}

/** Loads the part for WebSockets with the first subscription. */
export const openSocket: OpenSocket = async (...how) =>
  (await import("../lib/vault/event-socket.ts")).openSocket(...how);

function tellUnserved(log: Log, vaults: readonly NamedVault[]): void {
  for (const { name, events = {} } of vaults) {
    const unserved = OF_AWS.filter((way) => events[way] !== undefined);
    if (unserved.length > 0) {
      log.warn("inlets-not-served", { vault: name, inlets: unserved.join(", "), because: "only functions on AWS do" });
    }
  }
}
