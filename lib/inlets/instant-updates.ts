import { MINUTE_MS } from "../clock.ts";
import { described } from "../described.ts";
import type { SyncKey } from "../keys.ts";
import type { Inlet } from "../ports/inlet.ts";
import type { InstantState, InstantUpdates } from "../ports/instant-updates.ts";
import type { Row } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";
import type { EventSource } from "../ports/vault-subscriptions.ts";
import { asObject } from "../util/canonical.ts";
import { vaultLabel } from "../vault-label.ts";
import { FRAMES_LIMITS, type Intake, intake } from "./intake.ts";
import { type InletDeps, type Sink, sinkOf, untilDone } from "./sink.ts";
import { keepSubscribed, type SubscriptionState } from "./subscription.ts";
import { withDeadline } from "./waits.ts";
import {
  SUBSCRIPTION_LIMITS,
  type Subscription,
  type SubscriptionLimits,
  type WantedSubscriptions,
  wantedSubscriptions,
} from "./wanted-events.ts";

export interface InstantUpdatesOptions extends InletDeps {
  readonly source: EventSource;
  /** Where frames of this Vault go. */
  readonly inletOf: (vault: string) => Inlet;
  readonly leases: Pick<LeaseStore, "byCluster" | "read" | "nudgeAll">;
  readonly limits?: SubscriptionLimits;
}

/** VSO subscribes to these. */
const TYPES = "kv*";
/** How often subscriptions that no sync wants any more are found. */
const REVIEW_MS = MINUTE_MS;
const REVIEW_TIME_MS = MINUTE_MS;
/** Rows that are read at once. */
const BATCH = 100;

/** The subscriptions of a running process for syncs with `instantUpdates`. */
export interface RunningInstantUpdates extends InstantUpdates {
  /** Subscribes, for syncs of these clusters too that do not run soon, until the signal. */
  run(clusters: readonly string[], stop: AbortSignal): Promise<void>;
  /** Subscriptions by Vault and state. */
  counts(): readonly { readonly vault: string; readonly state: string; readonly count: number }[];
}

export function instantUpdates(options: InstantUpdatesOptions): RunningInstantUpdates {
  const work = running();
  const frames = framesByVault(options, work);
  const wishes = wantedSubscriptions(options.limits ?? SUBSCRIPTION_LIMITS, ({ vault }) => {
    if (!wishes.all().some((one) => one.vault === vault)) frames.end(vault);
  });
  let stopping: AbortSignal | undefined;
  const start = (one: Subscription, stop: AbortSignal): void => {
    const onState = (state: SubscriptionState): void => {
      const next = stateOf(state);
      if (isSame(next, one.state)) return;
      one.state = next;
      // They show it, and read what changed before the subscription was open.
      work.add(nudged(options, [...one.members], stop));
    };
    const open = (signal: AbortSignal) => {
      const { identity, key, namespace } = one.wanted;
      const question = { identity, by: key, types: TYPES, ...(namespace === undefined ? {} : { namespace }) };
      return options.source.open(question, signal);
    };
    const { frames: intake, sink } = frames.of(one.vault, stop);
    const vault = vaultLabel(one.vault);
    const end = AbortSignal.any([stop, one.end.signal]);
    // Only they were promised its events. Vault ends it with each token that is replaced, so that a sweep of all would
    // cost every tenant of the Vault whatever befalls one login.
    const onReconnected = (): void => {
      const missed = (signal: AbortSignal) => sink.missed("reconnected", signal, [...one.members]);
      work.add(untilDone(options, { vault, inlet: sink.way }, missed, end).then(() => undefined));
    };
    work.add(keepSubscribed(options, { vault, intake, open, onState, onReconnected }, end));
  };
  return {
    want(wanted) {
      const joined = wishes.join(wanted);
      if (typeof joined === "string") return tooMany(joined);
      if (joined.isNew && stopping !== undefined && !stopping.aborted) start(joined.one, stopping);
      return joined.one.state;
    },
    forget: (key) => wishes.leave(key),
    async run(clusters, stop) {
      stopping = stop;
      for (const one of wishes.all()) start(one, stop);
      // A sync in step may not run for a long time, and only its run tells its login.
      for (const cluster of clusters) await guarded(options, () => nudgeWanting(options, cluster), stop);
      while (!stop.aborted) {
        await options.sleep(REVIEW_MS, stop);
        if (!stop.aborted) await guarded(options, () => review(options, wishes, stop), stop);
      }
      await work.done();
    },
    counts() {
      const groups = Map.groupBy(wishes.all(), ({ vault, state }) => `${vaultLabel(vault)} ${state.kind}`);
      return [...groups].map(([name, { length: count }]) => {
        const [vault = "", state = ""] = name.split(" ");
        return { vault, state, count };
      });
    },
  };
}

interface Work {
  add(work: Promise<void>): void;
  done(): Promise<void>;
}

function running(): Work {
  const all = new Set<Promise<void>>();
  return {
    add(work) {
      const done = work.finally(() => all.delete(done));
      all.add(done);
    },
    done: async () => void (await Promise.all(all)),
  };
}

interface VaultFrames {
  readonly frames: Intake;
  readonly sink: Sink;
  readonly end: AbortController;
}

/** One memory of frames for each Vault, whatever its number of subscriptions. */
function framesByVault(options: InstantUpdatesOptions, work: Work) {
  const known = new Map<string, VaultFrames>();
  return {
    of(vault: string, stop: AbortSignal): VaultFrames {
      const before = known.get(vault);
      if (before !== undefined) return before;
      const end = new AbortController();
      const inlet = { ...options.inletOf(vault), vault: vaultLabel(vault) };
      const sink = sinkOf(inlet, "subscribe", options);
      const one = { frames: intake(options, sink, FRAMES_LIMITS), sink, end };
      known.set(vault, one);
      work.add(one.frames.run(AbortSignal.any([stop, end.signal])));
      return one;
    },
    end(vault: string): void {
      known.get(vault)?.end.abort();
      known.delete(vault);
    },
  };
}

function tooMany(limit: string): InstantState {
  const remedy = "let more syncs share a VaultAuth, which needs one subscription in each Vault namespace";
  return { kind: "refused", reason: "TooManySubscriptions", message: `all ${limit} are in use: ${remedy}` };
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

async function review(
  { leases }: InstantUpdatesOptions,
  wishes: WantedSubscriptions,
  stop: AbortSignal,
): Promise<void> {
  const keys = wishes.keys();
  for (let from = 0; from < keys.length && !stop.aborted; from += BATCH) {
    const some = keys.slice(from, from + BATCH);
    const rows = await leases.read(some, "eventual");
    for (const key of some) if (!isWanted(rows.get(key))) wishes.leave(key);
  }
}

function isWanted(row: Row | undefined): boolean {
  if (row === undefined || row.declared.deleting) return false;
  return asObject(row.declared.spec.syncConfig)?.instantUpdates === true;
}

async function nudgeWanting(options: InstantUpdatesOptions, cluster: string): Promise<void> {
  const { leases, clock } = options;
  const keys = (await leases.byCluster(cluster)).map(({ key }) => key);
  for (let from = 0; from < keys.length; from += BATCH) {
    const rows = [...(await leases.read(keys.slice(from, from + BATCH), "eventual")).values()];
    const wanting = rows.filter(isWanted).map(({ key }) => key);
    await leases.nudgeAll(wanting, { now: clock(), verify: false });
  }
}

function nudged(options: InstantUpdatesOptions, keys: readonly SyncKey[], stop: AbortSignal): Promise<void> {
  const { leases, clock } = options;
  return guarded(options, async () => void (await leases.nudgeAll(keys, { now: clock(), verify: false })), stop);
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
