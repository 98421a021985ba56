import { MINUTE_MS } from "../clock.ts";
import { described } from "../described.ts";
import { fingerprint } from "../digest.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { Inlet } from "../ports/inlet.ts";
import type { InstantState, InstantUpdates, WantedEvents } from "../ports/instant-updates.ts";
import type { Row } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";
import type { EventSource } from "../ports/vault-subscriptions.ts";
import { asObject } from "../util/canonical.ts";
import { FRAMES_LIMITS, type Intake, intake } from "./intake.ts";
import { type InletDeps, sinkOf } from "./sink.ts";
import { keepSubscribed, type SubscriptionState } from "./subscription.ts";
import { withDeadline } from "./waits.ts";

export interface InstantUpdatesOptions extends InletDeps {
  readonly source: EventSource;
  /** Where frames of this Vault go. */
  readonly inletOf: (vault: string) => Inlet;
  readonly leases: Pick<LeaseStore, "byCluster" | "read" | "nudgeAll">;
  readonly limits?: SubscriptionLimits;
}

/** Each subscription is a connection, here and at its Vault. */
export interface SubscriptionLimits {
  readonly ofVault: number;
  /** Of one namespace of a cluster. */
  readonly ofPlace: number;
  readonly inAll: number;
}

export const SUBSCRIPTION_LIMITS: SubscriptionLimits = { ofVault: 64, ofPlace: 4, inAll: 256 };

/** VSO subscribes to these. */
const TYPES = "kv*";
/** How often subscriptions that no sync wants any more are found. */
const REVIEW_MS = MINUTE_MS;
const REVIEW_TIME_MS = MINUTE_MS;
/** Rows that are read at once. */
const BATCH = 100;

/** The subscriptions of a running process for syncs with `instantUpdates`. */
export interface RunningInstantUpdates extends InstantUpdates {
  /** Subscribes for syncs of these clusters too that do not run soon, and follows all until the signal. */
  run(clusters: readonly string[], stop: AbortSignal): Promise<void>;
  /** Subscriptions by Vault and state. */
  counts(): readonly { readonly vault: string; readonly state: string; readonly count: number }[];
}

interface Subscription {
  readonly id: string;
  readonly vault: string;
  readonly place: string;
  /** The last sync that wanted it: its login and its key. */
  wanted: WantedEvents;
  readonly members: Set<SyncKey>;
  state: InstantState;
  readonly end: AbortController;
}

/** One Vault's memory of frames, whatever its number of subscriptions. */
interface OfVault {
  readonly frames: Intake;
  readonly end: AbortController;
}

export function instantUpdates(options: InstantUpdatesOptions): RunningInstantUpdates {
  const { limits = SUBSCRIPTION_LIMITS } = options;
  const subscriptions = new Map<string, Subscription>();
  const bySync = new Map<SyncKey, Subscription>();
  const vaults = new Map<string, OfVault>();
  const running = new Set<Promise<void>>();
  let stopping: AbortSignal | undefined;

  const track = (work: Promise<void>): void => {
    const done = work.finally(() => running.delete(done));
    running.add(done);
  };
  const framesOf = (vault: string, stop: AbortSignal): Intake => {
    const known = vaults.get(vault);
    if (known !== undefined) return known.frames;
    const end = new AbortController();
    const frames = intake(options, sinkOf(options.inletOf(vault), "subscribe", options), FRAMES_LIMITS);
    vaults.set(vault, { frames, end });
    track(frames.run(AbortSignal.any([stop, end.signal])));
    return frames;
  };
  const start = (one: Subscription, stop: AbortSignal): void => {
    const onState = (state: SubscriptionState): void => {
      const next = stateOf(state);
      if (isSame(next, one.state)) return;
      one.state = next;
      // They show it, and read what changed before the subscription was open.
      track(nudged(options, [...one.members], stop));
    };
    const open = (signal: AbortSignal) => {
      const { identity, key, namespace } = one.wanted;
      const question = { identity, by: key, types: TYPES, ...(namespace === undefined ? {} : { namespace }) };
      return options.source.open(question, signal);
    };
    const shared = { vault: labelOf(one.vault), intake: framesOf(one.vault, stop) };
    track(keepSubscribed(options, { ...shared, open, onState }, AbortSignal.any([stop, one.end.signal])));
  };
  const leave = (key: SyncKey): void => {
    const one = bySync.get(key);
    bySync.delete(key);
    one?.members.delete(key);
    if (one === undefined) return;
    const [other] = one.members;
    if (other !== undefined) {
      one.wanted = { ...one.wanted, key: other };
      return;
    }
    subscriptions.delete(one.id);
    one.end.abort();
    if ([...subscriptions.values()].some(({ vault }) => vault === one.vault)) return;
    vaults.get(one.vault)?.end.abort();
    vaults.delete(one.vault);
  };
  const limitOf = (vault: string, place: string): string | undefined => {
    const all = [...subscriptions.values()];
    if (all.filter((one) => one.place === place).length >= limits.ofPlace) return `${limits.ofPlace} of its namespace`;
    if (all.filter((one) => one.vault === vault).length >= limits.ofVault) return `${limits.ofVault} of its Vault`;
    return all.length >= limits.inAll ? `${limits.inAll} of keyferry` : undefined;
  };
  const review = async (stop: AbortSignal): Promise<void> => {
    const keys = [...bySync.keys()];
    for (let from = 0; from < keys.length && !stop.aborted; from += BATCH) {
      const some = keys.slice(from, from + BATCH);
      const rows = await options.leases.read(some, "eventual");
      for (const key of some) if (!isWanted(rows.get(key))) leave(key);
    }
  };
  return {
    want(wanted) {
      const { key, vault } = wanted;
      const id = idOf(wanted);
      const before = bySync.get(key);
      if (before !== undefined && before.id !== id) leave(key);
      const known = subscriptions.get(id);
      if (known !== undefined) {
        known.wanted = wanted;
        known.members.add(key);
        bySync.set(key, known);
        return known.state;
      }
      const place = placeOf(key);
      const limit = limitOf(vault, place);
      if (limit !== undefined) return tooMany(limit);
      const state: InstantState = { kind: "starting" };
      const one = { id, vault, place, wanted, members: new Set([key]), state, end: new AbortController() };
      subscriptions.set(id, one);
      bySync.set(key, one);
      if (stopping !== undefined && !stopping.aborted) start(one, stopping);
      return state;
    },
    async run(clusters, stop) {
      stopping = stop;
      for (const one of subscriptions.values()) start(one, stop);
      // A sync in step may not run for a long time, and only its run tells its login.
      for (const cluster of clusters) await nudged(options, await wantingIn(options, cluster), stop);
      while (!stop.aborted) {
        await options.sleep(REVIEW_MS, stop);
        if (!stop.aborted) await guarded(options, review, stop);
      }
      await Promise.all(running);
    },
    counts() {
      const groups = Map.groupBy(subscriptions.values(), ({ vault, state }) => `${labelOf(vault)} ${state.kind}`);
      return [...groups].map(([name, { length: count }]) => {
        const [vault = "", state = ""] = name.split(" ");
        return { vault, state, count };
      });
    },
  };
}

/** For metrics and the log: tenants choose the addresses of Vaults that fleet.yaml does not name. */
export function labelOf(vault: string): string {
  return vault.includes("://") ? "unnamed" : vault;
}

/** One socket for all syncs of a login that read in one Vault namespace. */
function idOf({ identity, namespace, vault }: WantedEvents): string {
  return fingerprint(identity.id, namespace ?? identity.namespace ?? "", vault);
}

function placeOf(key: SyncKey): string {
  const { cluster, namespace } = partsOf(key);
  return `${cluster}/${namespace}`;
}

function tooMany(limit: string): InstantState {
  const message = `all ${limit} subscriptions are in use: let more syncs share a VaultAuth, which takes one for each Vault namespace`;
  return { kind: "refused", reason: "TooManySubscriptions", message };
}

const REASONS = { missing: "NoEventsInThisVault", denied: "EventsDenied", failed: "EventsFailed" } as const;

function stateOf(state: SubscriptionState): InstantState {
  if (state.kind === "following") return state;
  return { kind: "refused", reason: REASONS[state.because], message: state.message };
}

function isSame(one: InstantState, other: InstantState): boolean {
  if (one.kind !== "refused" || other.kind !== "refused") return one.kind === other.kind;
  return one.reason === other.reason;
}

function isWanted(row: Row | undefined): boolean {
  if (row === undefined || row.declared.deleting) return false;
  return asObject(row.declared.spec.syncConfig)?.instantUpdates === true;
}

async function wantingIn({ leases }: InstantUpdatesOptions, cluster: string): Promise<readonly SyncKey[]> {
  const wanting: SyncKey[] = [];
  const keys = (await leases.byCluster(cluster)).map(({ key }) => key);
  for (let from = 0; from < keys.length; from += BATCH) {
    const rows = await leases.read(keys.slice(from, from + BATCH), "eventual");
    for (const row of rows.values()) if (isWanted(row)) wanting.push(row.key);
  }
  return wanting;
}

function nudged(options: InstantUpdatesOptions, keys: readonly SyncKey[], stop: AbortSignal): Promise<void> {
  return guarded(
    options,
    async () => void (await options.leases.nudgeAll(keys, { now: options.clock(), verify: false })),
    stop,
  );
}

/** A failure of the lease table is logged: refreshes go on, and the next review tries again. */
async function guarded(
  { log }: InletDeps,
  work: (signal: AbortSignal) => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  try {
    await withDeadline(REVIEW_TIME_MS, work, stop);
  } catch (error) {
    if (!stop.aborted) log.warn("instant-updates-failed", described(error));
  }
}
