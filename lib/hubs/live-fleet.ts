import { isDeepStrictEqual } from "node:util";
import { notInFleet } from "../connect/not-in-fleet.ts";
import type { Fleet, FleetCluster } from "../fleet/fleet.ts";
import type { Hub } from "../fleet/hub-schema.ts";
import type { HubRow, HubState, HubStore } from "../ports/store.ts";
import { type ComposedFleet, composed } from "./compose.ts";
import { partsOfPlace, placeOfHub } from "./places.ts";

/** The fleet of fleet.yaml and its hubs, as the store knows these. */
export interface LiveFleet {
  /** The last composed fleet. */
  current(): ComposedFleet;
  find(name: string): FleetCluster | undefined;
  hub(name: string): Hub | undefined;
  /**
   * How to reach a cluster, a hub, or the API server of a hub's object, by the name of its connection. Throws
   * REFERENCE_INVALID.
   */
  reachable(place: string): Pick<FleetCluster, "name" | "connect">;
  /** Composes anew: reads the states of hubs that changed. Without hubs it reads nothing. */
  take(own: Fleet): Promise<ComposedFleet>;
}

/** A fleet that starts without the clusters of its hubs: `take` adds them. */
export function liveFleet(first: Fleet, leases: Pick<HubStore, "hubs" | "hubState">): LiveFleet {
  const known = new Map<string, { readonly revision: number; readonly state: HubState }>();
  let own = first;
  let fleet: ComposedFleet = composed(first, new Map());
  let byName = namesOf(fleet);

  const readAnew = async (row: HubRow): Promise<boolean> => {
    const { name, revision } = row;
    if (revision === known.get(name)?.revision) return false;
    const found = revision === undefined ? undefined : await leases.hubState(name);
    if (found === undefined) known.delete(name);
    else known.set(name, found);
    return true;
  };

  return {
    current: () => fleet,
    find: (name) => byName.get(name),
    hub: (name) => fleet.hubs.find((hub) => hub.name === name),
    reachable(place) {
      const found = byName.get(place) ?? ofHub(fleet, place);
      if (found === undefined) throw notInFleet(place);
      return found;
    },
    async take(now) {
      const names = new Set(now.hubs.map(({ name }) => name));
      const rows = names.size === 0 ? [] : (await leases.hubs()).filter(({ name }) => names.has(name));
      const stored = new Set(rows.map(({ name }) => name));
      const forgotten = [...known.keys()].filter((name) => !stored.has(name));
      for (const name of forgotten) known.delete(name);
      const changes = await Promise.all(rows.map(readAnew));
      if (now === own && forgotten.length === 0 && !changes.includes(true)) return fleet;
      own = now;
      fleet = composed(now, new Map([...known].map(([name, { state }]) => [name, state])));
      byName = namesOf(fleet);
      return fleet;
    },
  };
}

function namesOf({ clusters }: Fleet): ReadonlyMap<string, FleetCluster> {
  return new Map(clusters.map((cluster) => [cluster.name, cluster]));
}

function ofHub({ hubs }: Fleet, place: string): Pick<FleetCluster, "name" | "connect"> | undefined {
  const { hub: name, object } = partsOfPlace(place) ?? {};
  const hub = hubs.find((one) => one.name === name);
  if (hub === undefined) return undefined;
  if (object === undefined) return { name: place, connect: hub.connect };
  return { name: place, connect: { hub: { hub: hub.name, object, leadsTo: "" } } };
}

/** The names of connections that are no longer right: to clusters and hubs that left, or that connect in another way. */
export function movedPlaces(before: Fleet, now: Fleet): readonly string[] {
  const ways = waysOf(now);
  return [...waysOf(before)].flatMap(([place, way]) => (isDeepStrictEqual(ways.get(place), way) ? [] : [place]));
}

function waysOf({ clusters, hubs }: Fleet): ReadonlyMap<string, FleetCluster["connect"]> {
  const ofHubs = hubs.map(({ name, connect }) => [placeOfHub(name), connect] as const);
  return new Map([...ofHubs, ...clusters.map(({ name, connect }) => [name, connect] as const)]);
}

/** Forgets hubs that left fleet.yaml. */
export async function forgetHubs(leases: Pick<HubStore, "hubs" | "removeHub">, { hubs }: Fleet): Promise<void> {
  const names = new Set(hubs.map(({ name }) => name));
  for (const row of await leases.hubs()) if (!names.has(row.name)) await leases.removeHub(row);
}
