import { type Clock, type EpochMs, SECOND_MS } from "../lib/clock.ts";
import type { HubCopies } from "../lib/connect/hub-copies.ts";
import type { LazyVault } from "../lib/connect/lazy-vault.ts";
import type { SweptFleet } from "../lib/connect/swept-fleet.ts";
import type { ConnectDeps } from "../lib/connect/way.ts";
import type { Engine } from "../lib/embedded/engine.ts";
import { InputError } from "../lib/errors.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import type { Hub } from "../lib/fleet/hub-schema.ts";
import type { WatchedFleet } from "../lib/fleet/watched-fleet.ts";
import { fleetConnections } from "../lib/hubs/connections.ts";
import { followHubs } from "../lib/hubs/follow.ts";
import { forgetHubs, type LiveFleet, movedPlaces } from "../lib/hubs/live-fleet.ts";
import { type Accepted, type HubPassDeps, hubPass } from "../lib/hubs/pass.ts";
import { placeOfHub } from "../lib/hubs/places.ts";
import { hubTeller } from "../lib/hubs/tell.ts";
import type { ClusterClients } from "../lib/kubernetes/cluster-client.ts";
import type { KubernetesApis } from "../lib/kubernetes/kubernetes-apis.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import type { Log } from "../lib/ports/telemetry.ts";
import { sleep } from "./stop-signal.ts";

/** The fleet of a running process: fleet.yaml and its hubs, which both change while it runs. */

export interface HubPasses {
  /** One pass over a hub; resolves with the time of the next one. `fleet` has its clusters then. */
  one(hub: Hub, signal: AbortSignal): Promise<EpochMs>;
  /** One pass over each hub. */
  all(signal: AbortSignal): Promise<void>;
}

export interface HubPassesOptions {
  readonly deps: HubPassDeps;
  readonly file: Pick<WatchedFleet, "current">;
  readonly fleet: LiveFleet;
  readonly accepted: Accepted;
}

export function hubPasses({ deps, file, fleet, accepted }: HubPassesOptions): HubPasses {
  const tell = hubTeller(deps.log);
  // Accepted for one pass only.
  const first = new Set<string>();
  const one = async (hub: Hub, signal: AbortSignal): Promise<EpochMs> => {
    const isFirst = !first.has(hub.name);
    // An edit may have brought this hub a moment ago: the names of clusters that it took out are free.
    const taken = await fleet.take(file.current());
    const { state, againAt } = await hubPass(
      deps,
      { fleet: taken, hub, accepted: isFirst ? accepted : new Set() },
      signal,
    );
    if (state === undefined) return againAt;
    if (state.error === undefined) first.add(hub.name);
    tell(hub.name, state, await fleet.take(file.current()));
    return againAt;
  };
  return {
    one,
    async all(signal) {
      await Promise.all(file.current().hubs.map((hub) => one(hub, signal)));
    },
  };
}

/** How long hubs may take before a single pass over the clusters. */
const HUBS_MS = 60 * SECOND_MS;

export interface StartedFleetOptions {
  readonly flags: { readonly once: boolean; readonly acceptMissing: readonly string[] };
  readonly file: Pick<WatchedFleet, "current">;
  readonly connect: Omit<ConnectDeps, "hubs">;
  readonly access: Pick<LazyVault, "sweep">;
  readonly fleet: LiveFleet;
  readonly leases: LeaseStore;
  readonly log: Log;
}

export interface StartedFleet {
  readonly passes: HubPasses;
  readonly clients: ClusterClients;
  readonly apis: KubernetesApis;
}

/** The fleet at the start of a process: the clusters of hubs are those that the store knows. */
export async function startedFleet({
  flags,
  file,
  fleet,
  connect,
  access,
  leases,
  log,
}: StartedFleetOptions): Promise<StartedFleet> {
  const { clock } = connect;
  await fleet.take(file.current());
  // A Vault that does not answer holds up no start.
  void access.sweep(connected(fleet.current()));
  void connect.copies?.sweep(connected(fleet.current()));
  const { clients, apis } = fleetConnections({ fleet: () => fleet, connect, log });
  const deps = { ...apis, leases, clock, log, forget: clients.forget };
  const passes = hubPasses({ deps, file, fleet, accepted: new Set(flags.acceptMissing) });
  mustBeInFleet(fleet.current(), flags.acceptMissing);
  // A single pass over the clusters has no later one for those of hubs.
  if (flags.once) await passes.all(AbortSignal.timeout(HUBS_MS));
  return { passes, clients, apis };
}

/** Everything that keyferry connects to: hubs have tokens, too. */
function connected({ clusters, hubs, unread }: ReturnType<LiveFleet["current"]>): SweptFleet {
  const places = hubs.map(({ name, connect }) => ({ name: placeOfHub(name), connect }));
  return { clusters: [...clusters, ...places], unread };
}

function mustBeInFleet({ clusters, hubs }: Fleet, names: readonly string[]): void {
  const known = new Set([...clusters.map(({ name }) => name), ...hubs.map(({ name }) => placeOfHub(name))]);
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new InputError("--accept-missing", [`no such cluster in the fleet: ${unknown.join(", ")}`]);
  }
}

/** Reads fleet.yaml and its hubs again, and applies changes. */
export interface FollowedFleet extends Pick<WatchedFleet, "ask"> {
  watch(stop: AbortSignal): Promise<void>;
}

export interface FollowedFleetOptions {
  readonly file: WatchedFleet;
  readonly fleet: LiveFleet;
  readonly passes: HubPasses;
  readonly leases: LeaseStore;
  readonly engine: Engine;
  readonly clients: Pick<ClusterClients, "forget">;
  readonly access: Pick<LazyVault, "sweep">;
  readonly copies: Pick<HubCopies, "sweep">;
  /** Inlets of events, which belong to the Vaults of the fleet. */
  readonly inlets: { set(vaults: Fleet["vaults"]): Promise<void> };
  readonly clock: Clock;
  readonly log: Log;
}

export function followedFleet(options: FollowedFleetOptions): FollowedFleet {
  const { file, fleet, passes, leases, clock, log } = options;
  const apply = applied(options);
  let isAsked = false;
  const takeAsked = (): boolean => {
    const was = isAsked;
    isAsked = false;
    return was;
  };
  return {
    ask() {
      isAsked = true;
      file.ask();
    },
    async watch(stop) {
      const pass = async (hub: Hub, signal: AbortSignal): Promise<EpochMs> => {
        const againAt = await passes.one(hub, signal);
        await apply();
        return againAt;
      };
      const following = followHubs({ own: file.current, pass, isAsked: takeAsked, clock, log, sleep }, stop);
      const watching = file.watch(async (now) => {
        await forgetHubs(leases, now);
        await fleet.take(now);
        await apply();
      }, stop);
      await Promise.all([following, watching]);
    },
  };
}

/** Applies the fleet as it is now; one change at a time. */
function applied({ fleet, engine, clients, access, copies, inlets }: FollowedFleetOptions): () => Promise<void> {
  let taken = fleet.current();
  /** The fleet that connections are for: ahead of `taken` while a change is being applied, or failed. */
  let connectedTo = taken;
  let last: Promise<void> = Promise.resolve();
  const once = async (): Promise<void> => {
    const now = fleet.current();
    if (now === taken) return;
    for (const place of movedPlaces(connectedTo, now)) clients.forget(place);
    connectedTo = now;
    await engine.change(now.clusters, { isIncomplete: now.unread.length > 0 });
    await inlets.set(now.vaults);
    taken = now;
    await access.sweep(connected(now));
    await copies.sweep(connected(now));
  };
  return () => {
    // A failed change is repeated by the next one.
    last = last.catch(() => undefined).then(once);
    return last;
  };
}
