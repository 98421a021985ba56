import type { Connect } from "../fleet/connect-schema.ts";
import type { Fleet, FleetCluster } from "../fleet/fleet.ts";
import type { Hub } from "../fleet/hub-schema.ts";
import { namespaceMatcher } from "../namespaces.ts";
import type { RowError } from "../ports/rows.ts";
import type { HubMember, HubState } from "../ports/store.ts";
import { olderFirst } from "./take-in.ts";

/** An object of a hub that is no cluster of the fleet, or one that can't be reached any more; and why. */
export interface Refusal {
  readonly hub: string;
  readonly object: string;
  readonly name: string;
  readonly error: RowError;
}

/** A hub, and why the last attempt to read it failed. */
export interface HubTrouble {
  readonly name: string;
  readonly error?: RowError;
}

/** The clusters of fleet.yaml and of its hubs. */
export interface ComposedFleet extends Fleet {
  readonly refused: readonly Refusal[];
  /** Hubs whose clusters are not known: nobody may be released meanwhile. */
  readonly unread: readonly HubTrouble[];
  /** Hubs that need a person: they can't be read, or too many of their clusters are gone. */
  readonly troubled: readonly HubTrouble[];
}

interface Candidate {
  readonly hub: Hub;
  readonly member: HubMember;
}

/**
 * The one place where fleet.yaml and its hubs become one fleet. fleet.yaml's own clusters have their names first; of two
 * objects with one name, or with one API server, the older member stays.
 */
export function composed(fleet: Fleet, states: ReadonlyMap<string, HubState>): ComposedFleet {
  const names = new Map(fleet.clusters.map(({ name }) => [name, "fleet.yaml"]));
  const servers = new Map<string, string>();
  const clusters: FleetCluster[] = [...fleet.clusters];
  const refused: Refusal[] = [];
  for (const candidate of candidates(fleet, states)) {
    const { hub, member } = candidate;
    const error = doubleOf(member, names, servers) ?? member.error;
    if (error !== undefined) refused.push({ hub: hub.name, object: member.object, name: member.name, error });
    if (member.uid === undefined || error?.code === "CLUSTER_DUPLICATE") continue;
    names.set(member.name, `hub ${hub.name}`);
    servers.set(member.uid, member.name);
    clusters.push(clusterOf(candidate, member.uid));
  }
  return { ...fleet, clusters, refused, ...troubles(fleet, states) };
}

/** Each hub that the last attempt could not read: one that was read earlier has its clusters of that time. */
export function unreadHubs({ unread, troubled }: Pick<ComposedFleet, "unread" | "troubled">): readonly HubTrouble[] {
  const never = new Set(unread.map(({ name }) => name));
  return [...unread, ...troubled.filter(({ name, error }) => error !== undefined && !never.has(name))];
}

function troubles({ hubs }: Fleet, states: ReadonlyMap<string, HubState>): Pick<ComposedFleet, "unread" | "troubled"> {
  const all = hubs.map(({ name }) => ({ name, state: states.get(name) }));
  const told = (some: typeof all): readonly HubTrouble[] =>
    some.map(({ name, state }) => ({ name, ...(state?.error && { error: state.error }) }));
  return {
    unread: told(all.filter(({ state }) => state === undefined || state.isUnread === true)),
    troubled: told(all.filter(({ state }) => state?.error !== undefined || state?.awaitingApproval !== undefined)),
  };
}

/** The members that were reached first, the oldest ones at the beginning: they have the first claim to a name. */
function candidates({ hubs }: Fleet, states: ReadonlyMap<string, HubState>): readonly Candidate[] {
  const all = hubs.flatMap((hub) => (states.get(hub.name)?.members ?? []).map((member) => ({ hub, member })));
  // The sort is stable: of the same age, the hub that comes first in fleet.yaml, and the object's name, decide.
  return all.toSorted((a, b) => olderFirst(a.member, b.member));
}

function doubleOf(
  { name, uid, double, since }: HubMember,
  names: ReadonlyMap<string, string>,
  servers: ReadonlyMap<string, string>,
): RowError | undefined {
  const duplicate = (message: string): RowError => ({ code: "CLUSTER_DUPLICATE", message, since });
  const owner = names.get(name);
  if (owner !== undefined) {
    return duplicate(`the name ${name} belongs to a cluster of ${owner} already: give one of both another name`);
  }
  const same = double ?? (uid === undefined ? undefined : servers.get(uid));
  if (same === undefined) return undefined;
  return duplicate(`it is the API server of cluster ${same} already: remove one of both`);
}

/** A cluster of a hub, with the hub's defaults and its own settings. */
function clusterOf({ hub, member }: Candidate, uid: string): FleetCluster {
  const { defaults } = hub;
  const { observe, operatorNamespace, authMount, namespaces } = member.settings;
  const mount = authMount ?? defaults.vault?.authMount?.replaceAll("{name}", member.name);
  return {
    ...defaults,
    name: member.name,
    labels: { ...member.labels, ...defaults.labels },
    ...(observe === undefined ? {} : { observe }),
    ...(operatorNamespace === undefined ? {} : { operatorNamespace }),
    ...(namespaces === undefined ? {} : { namespaces: narrowed(defaults, namespaces) }),
    ...(mount === undefined ? {} : { vault: { ...defaults.vault, authMount: mount } }),
    ...injectorOf(defaults, member.name),
    connect: connectOf(hub, member, uid),
  };
}

/** Each cluster has its own mount in Vault. */
function injectorOf({ injector }: Hub["defaults"], name: string): Pick<FleetCluster, "injector"> {
  if (injector?.authPath === undefined) return {};
  return { injector: { ...injector, authPath: injector.authPath.replaceAll("{name}", name) } };
}

/** The named namespaces that the hub's defaults include. */
function narrowed({ namespaces }: Hub["defaults"], named: readonly string[]): FleetCluster["namespaces"] {
  return { ...namespaces, include: named.filter(namespaceMatcher(namespaces)) };
}

/** How an object's cluster is reached. A change of `leadsTo` or `uid` makes new connections. */
export function connectOf(hub: Hub, { object, leadsTo }: HubMember, uid: string | undefined): Connect {
  return { hub: { hub: hub.name, object, leadsTo, ...(uid === undefined ? {} : { uid }) } };
}
