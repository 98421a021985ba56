import type { EpochMs } from "../clock.ts";
import type { SyncError } from "../errors.ts";
import { isTooManyGone } from "../fleet/too-many-gone.ts";
import type { RowError } from "../ports/rows.ts";
import type { ClusterState, HubMember, HubState } from "../ports/store.ts";

/** Pure steps of a pass over a hub: what the hub says becomes its next state. */

/** An object in the hub's list. */
export interface Listed {
  readonly object: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What an object says of its cluster. */
export type ReadObject = Pick<HubMember, "name" | "labels" | "settings" | "server" | "leadsTo">;

/** A listed object, and what it says if it was read again. */
export interface SeenObject {
  readonly listed: Listed;
  readonly read?: ReadObject | SyncError;
}

export interface TakeIn {
  readonly before: HubState | undefined;
  readonly seen: readonly SeenObject[];
  readonly readAs: string;
  /** A person accepts that many are gone. */
  readonly acceptMissing: boolean;
  readonly now: EpochMs;
  readonly nameOfUnread: (object: string) => string;
}

/** Whether an object has to be read: it is new or changed, or it could not be read. */
export function isToRead(member: HubMember | undefined, { resourceVersion }: Listed): boolean {
  return member === undefined || member.resourceVersion !== resourceVersion;
}

/** The next state of a hub whose list is complete. */
export function takenIn({ before, seen, readAs, acceptMissing, now, nameOfUnread }: TakeIn): HubState {
  const known = new Map((before?.members ?? []).map((member) => [member.object, member]));
  const present = seen
    .toSorted((a, b) => (a.listed.object < b.listed.object ? -1 : 1))
    .map((object) => memberOf(object, known.get(object.listed.object), { now, nameOfUnread }));
  const objects = new Set(present.map(({ object }) => object));
  // Only clusters of the fleet count: nothing is lost with others.
  const mine = [...known.values()].filter(({ uid }) => uid !== undefined);
  const gone = mine.filter(({ object }) => !objects.has(object));
  if (acceptMissing || !isTooManyGone(gone.length, mine.length)) return { members: present, readAs };
  const since = before?.awaitingApproval?.since ?? now;
  return {
    members: [...present, ...gone.map((member): HubMember => ({ ...member, isMissing: true }))],
    readAs,
    awaitingApproval: { since, gone: gone.length, of: mine.length },
  };
}

type Context = Pick<TakeIn, "now" | "nameOfUnread">;

/** Codes about the object itself: only a change of it helps. */
const OF_THE_OBJECT: ReadonlySet<string> = new Set(["REFERENCE_INVALID", "UNSUPPORTED"]);

function memberOf(
  { listed, read }: SeenObject,
  before: HubMember | undefined,
  { now, nameOfUnread }: Context,
): HubMember {
  const { isMissing: _back, isRival: _rival, ...known } = before ?? unread(listed, now, nameOfUnread);
  if (read === undefined) return known;
  if (read instanceof Error) {
    const failed = { ...known, error: errorOf(read, known.error, now) };
    // Any other failure is one of reading it: the next pass tries again.
    if (!OF_THE_OBJECT.has(read.code)) return failed;
    return { ...failed, resourceVersion: listed.resourceVersion, isBroken: true };
  }
  const { error, isBroken, ...rest } = known;
  const next = { ...rest, ...read, resourceVersion: listed.resourceVersion };
  // What a check of its API server found stays until the next check.
  return error !== undefined && isBroken !== true && isToCheck(next) ? { ...next, error } : next;
}

function unread({ object }: Listed, now: EpochMs, nameOfUnread: Context["nameOfUnread"]): HubMember {
  const nothing = { resourceVersion: "", labels: {}, settings: {}, server: "", leadsTo: "" };
  return { object, name: nameOfUnread(object), ...nothing, since: now };
}

function errorOf({ code, message }: SyncError, before: RowError | undefined, now: EpochMs): RowError {
  return { code, message, since: before?.code === code ? before.since : now };
}

/** Whether its API server has to be asked who it is: it is new, or the way to it has changed. */
export function isToCheck({ leadsTo, checked, uid, isMissing, isBroken, isRival }: HubMember): boolean {
  if (leadsTo === "" || isMissing === true || isBroken === true || isRival === true) return false;
  return uid === undefined || checked !== leadsTo;
}

/** Members to check, in this order: those that never failed first, and the others in turns. */
export function checksDue(members: readonly HubMember[], turn: number): readonly HubMember[] {
  const due = members.filter(isToCheck);
  const fresh = due.filter(({ error }) => error === undefined);
  const failed = due.filter(({ error }) => error !== undefined);
  const start = failed.length === 0 ? 0 : turn % failed.length;
  return [...fresh, ...failed.slice(start), ...failed.slice(0, start)];
}

/** The object whose cluster has a name in the fleet now. */
export type HolderOf = (name: string) => "other" | { readonly object: string } | undefined;

/**
 * The state in which only the holder of each name is known by its API server. Another object with that name must not
 * take over the holder's rows when the holder leaves: it joins after they are released.
 */
export function withoutRivals(state: HubState, holderOf: HolderOf): HubState {
  const holders = new Map<string, string | undefined>();
  for (const { name, object } of byAge(state.members)) {
    const holder = holderOf(name);
    if (holder === "other") holders.set(name, undefined);
    else if (holder !== undefined) holders.set(name, holder.object);
    else if (!holders.has(name)) holders.set(name, object);
  }
  const members = state.members.map((member) => {
    if (holders.get(member.name) === member.object) return member;
    const { uid: _uid, checked: _checked, ...rest } = member;
    return { ...rest, isRival: true as const };
  });
  return { ...state, members };
}

function byAge(members: readonly HubMember[]): readonly HubMember[] {
  return members.toSorted(olderFirst);
}

/** The order of claims to a name: members that were reached before, the oldest first; then those that were not. */
export function olderFirst(a: HubMember, b: HubMember): number {
  const isNew = ({ uid }: HubMember): number => (uid === undefined ? 1 : 0);
  return isNew(a) - isNew(b) || a.since - b.since;
}

/** The answer of an API server. */
export interface Identity {
  /** uid of its kube-system namespace. */
  readonly uid: string;
  /** The uid that the table has for a cluster of this name. */
  readonly inTable?: string | undefined;
}

/** What is stored of a cluster of fleet.yaml: who its API server is. */
export interface OwnServer extends Pick<ClusterState, "sameAs"> {
  readonly name: string;
  readonly uid: string;
}

export interface Checked {
  /** By object: its API server's answer, or why it could not be asked. */
  readonly results: ReadonlyMap<string, Identity | SyncError>;
  /** fleet.yaml's own clusters that answered. */
  readonly own: readonly OwnServer[];
  /** Clusters that a person accepts as others under their names. */
  readonly accepted: ReadonlySet<string>;
  readonly now: EpochMs;
}

/** The state after its API servers were asked. */
export function checked(state: HubState, { results, own, accepted, now }: Checked): HubState {
  const members = state.members.map((member) => {
    const result = results.get(member.object);
    const next = result === undefined ? member : checkedMember(member, result, { accepted, now });
    const { double: _before, ...rest } = next;
    // A cluster of fleet.yaml that took over a member's uid may be an imitation: the member stays.
    const double = own.find(({ uid, sameAs }) => uid === next.uid && sameAs !== next.name)?.name;
    return double === undefined ? rest : { ...rest, double };
  });
  return { ...state, members };
}

function checkedMember(
  member: HubMember,
  result: Identity | SyncError,
  { accepted, now }: Pick<Checked, "accepted" | "now">,
): HubMember {
  if (result instanceof Error) return { ...member, error: errorOf(result, member.error, now) };
  const { error, ...rest } = member;
  const before = member.uid ?? result.inTable ?? result.uid;
  if (before === result.uid || accepted.has(member.name)) {
    // Listed for long is no claim: the API server belongs to the member that reached it first.
    const since = member.uid === result.uid ? member.since : now;
    return { ...rest, uid: result.uid, checked: member.leadsTo, since };
  }
  const message = `${member.object} leads to another API server than before (another uid of kube-system): keyferry does not use it. If cluster ${member.name} was rebuilt on purpose, run with --accept-missing ${member.name}`;
  const since = error?.code === "CLUSTER_REPLACED" ? error.since : now;
  return { ...member, error: { code: "CLUSTER_REPLACED", message, since } };
}
