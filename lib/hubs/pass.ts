import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Hub } from "../fleet/hub-schema.ts";
import type { ClusterApi } from "../ports/clusters.ts";
import type { HubMember, HubRow, HubState, LeaseStore } from "../ports/store.ts";
import type { Log } from "../ports/telemetry.ts";
import { canonical } from "../util/canonical.ts";
import type { Json } from "../util/json.ts";
import { parallel } from "../util/parallel.ts";
import { placeOfHub, placeOfObject } from "./places.ts";
import { listHub, nameOfUnread, type ReaderDeps, readObject } from "./reader.ts";
import {
  checked,
  checksDue,
  type HolderOf,
  type Identity,
  isToRead,
  type Listed,
  type OwnServer,
  type SeenObject,
  takenIn,
  withoutRivals,
} from "./take-in.ts";

/** The least time between two passes over a hub. */
const AGAIN_MS = 30 * SECOND_MS;
const MAX_PAUSE_MS = 5 * MINUTE_MS;
/** The time limit of a pass, and of its checks: what is left comes with the next one. */
const PASS_MS = MINUTE_MS;
const CHECKS_MS = 20 * SECOND_MS;
const LEASE_MS = PASS_MS + MINUTE_MS / 2;
const AT_ONCE = 16;

export interface HubPassDeps extends ReaderDeps {
  readonly clusters: Pick<ClusterApi, "list" | "identity">;
  readonly leases: Pick<LeaseStore, "claimHub" | "saveHub" | "hubState" | "clusters" | "cluster">;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the connection of a check. */
  readonly forget: (place: string) => void;
}

/** What a person accepts: names of clusters, and `hub:NAME` for a hub. */
export type Accepted = ReadonlySet<string>;

export interface HubPassInput {
  readonly fleet: Fleet;
  readonly hub: Hub;
  readonly accepted: Accepted;
  /** The signal ends this pass because its time is over: a failure of the hub. Default: it is a stop, which says nothing. */
  readonly hasTimeLimit?: boolean;
}

export interface HubPassOutcome {
  readonly state?: HubState;
  readonly againAt: EpochMs;
}

/** Reads a hub: its objects become the state by which its clusters are in the fleet. */
export async function hubPass(
  deps: HubPassDeps,
  { fleet, hub, accepted, hasTimeLimit = false }: HubPassInput,
  signal: AbortSignal,
): Promise<HubPassOutcome> {
  const now = deps.clock();
  const row = await deps.leases.claimHub(hub.name, { now, until: now + LEASE_MS });
  if (row === undefined) return { againAt: now + AGAIN_MS };
  const before = (await deps.leases.hubState(hub.name))?.state;
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(PASS_MS)]);
  try {
    const taken = withoutRivals(await readHub(deps, hub, before, accepted, inTime), holderIn(fleet, hub));
    const own = await ownServers(deps, fleet);
    const state = checked(taken, {
      results: await checks(deps, hub, taken.members, row, inTime),
      own,
      accepted,
      now: deps.clock(),
    });
    return await save(deps, row, { before, state });
  } catch (error) {
    if (!(error instanceof SyncError) || error.code.startsWith("STORE_")) throw error;
    return await saveFailed(deps, row, { before, error, hub, isStop: signal.aborted && !hasTimeLimit });
  }
}

async function readHub(
  deps: HubPassDeps,
  hub: Hub,
  before: HubState | undefined,
  accepted: Accepted,
  signal: AbortSignal,
): Promise<HubState> {
  const readAs = fingerprint(canonical({ argocd: hub.argocd, profile: hub.clusterProfile } as unknown as Json));
  const listed = await listHub(deps, hub, signal);
  const known = new Map((before?.members ?? []).map((member) => [member.object, member]));
  const isAnew = before?.readAs !== readAs;
  const seenAs = async (object: Listed): Promise<SeenObject> => {
    const isUnchanged = !isAnew && !isToRead(known.get(object.object), object);
    return isUnchanged ? { listed: object } : { listed: object, read: await readOr(deps, hub, object, signal) };
  };
  const seen = await parallel(listed, seenAs, AT_ONCE);
  const acceptMissing = accepted.has(placeOfHub(hub.name));
  return takenIn({ before, seen, readAs, acceptMissing, now: deps.clock(), nameOfUnread });
}

async function readOr(deps: HubPassDeps, hub: Hub, object: Listed, signal: AbortSignal) {
  try {
    return await readObject(deps, hub, object, signal);
  } catch (error) {
    // The hub itself is out of reach: its list tells nothing.
    if (!(error instanceof SyncError) || error.code === "KUBE_UNREACHABLE" || signal.aborted) throw error;
    return error;
  }
}

/** Asks API servers that are new, or that are reached in another way, who they are. */
async function checks(
  deps: HubPassDeps,
  hub: Hub,
  members: readonly HubMember[],
  { fence }: HubRow,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Identity | SyncError>> {
  const until = deps.clock() + CHECKS_MS;
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(CHECKS_MS)]);
  const results = new Map<string, Identity | SyncError>();
  const check = async ({ object, name, uid: known }: HubMember): Promise<void> => {
    if (inTime.aborted || deps.clock() >= until) return;
    const place = placeOfObject(hub.name, object);
    try {
      const uid = await deps.clusters.identity(place, inTime);
      // Rows of an earlier cluster under its name must not become those of this one.
      const inTable = known === undefined ? (await deps.leases.cluster(name))?.state.uid : undefined;
      results.set(object, { uid, inTable });
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      if (!inTime.aborted) results.set(object, error);
    } finally {
      deps.forget(place);
    }
  };
  await parallel(checksDue(members, fence), check, AT_ONCE);
  return results;
}

/** The holders of names in the fleet, for this hub. */
function holderIn({ clusters }: Fleet, hub: Hub): HolderOf {
  const byName = new Map(clusters.map(({ name, connect }) => [name, connect.hub]));
  return (name) => {
    if (!byName.has(name)) return undefined;
    const way = byName.get(name);
    return way?.hub === hub.name ? { object: way.object } : "other";
  };
}

/** fleet.yaml's own clusters that answered, and who they said they are. */
async function ownServers({ leases }: HubPassDeps, { clusters }: Fleet): Promise<readonly OwnServer[]> {
  const own = new Set(clusters.filter(({ connect }) => connect.hub === undefined).map(({ name }) => name));
  if (own.size === 0) return [];
  const rows = (await leases.clusters()).filter(({ name }) => own.has(name));
  return rows.flatMap(({ name, state: { uid, sameAs } }) =>
    uid === undefined ? [] : [{ name, uid, ...(sameAs === undefined ? {} : { sameAs }) }],
  );
}

async function save(
  { leases, clock, log }: HubPassDeps,
  row: HubRow,
  { before, state }: { readonly before: HubState | undefined; readonly state: HubState },
): Promise<HubPassOutcome> {
  const againAt = clock() + AGAIN_MS;
  const isSame = before !== undefined && canonical(state as unknown as Json) === canonical(before as unknown as Json);
  const isSaved = await leases.saveHub(row, isSame ? undefined : state, againAt);
  if (!isSaved) log.warn("hub-lease-lost", { hub: row.name });
  return isSaved ? { state, againAt } : { againAt };
}

interface Failed {
  readonly before: HubState | undefined;
  readonly error: SyncError;
  readonly hub: Hub;
  readonly isStop: boolean;
}

/** A hub that can't be read removes nobody: its state stays, with the failure. */
async function saveFailed(
  { leases, clock, log }: HubPassDeps,
  row: HubRow,
  { before, error, hub, isStop }: Failed,
): Promise<HubPassOutcome> {
  const now = clock();
  if (isStop) {
    await leases.saveHub(row, undefined, now);
    return { againAt: now };
  }
  const { code, message } = error;
  const known = before?.error;
  const since = known?.since ?? now;
  const againAt = now + Math.min(MAX_PAUSE_MS, Math.max(AGAIN_MS, now - since));
  const isTold = known?.code === code && known.message === message;
  const last: HubState = before ?? { members: [], readAs: "", isUnread: true };
  const state = isTold ? undefined : { ...last, error: { code, message, since } };
  await leases.saveHub(row, state, againAt);
  log.warn("hub-unreadable", { hub: hub.name, code, message });
  return state === undefined ? { againAt } : { state, againAt };
}
