import { stat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { InputError, SyncError } from "../errors.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { Fleet, FleetCluster } from "./fleet.ts";
import { readFleet } from "./read-fleet.ts";
import { isTooManyGone } from "./too-many-gone.ts";

/**
 * How often the file's time is checked. The file is read after two equal times, so that it is not read half-written.
 */
const POLL_MS = SECOND_MS;
/** For how many polls a file must stay the same that lacks much: its writing may have stalled. */
const BELIEVED_POLLS = 30;
/** How often a broken or failed fleet file is tried again, and counted. */
const AGAIN_MS = MINUTE_MS;

/** A fleet.yaml in this file system, and its changes. */
export interface WatchedFleet {
  current(): Fleet;
  find(name: string): FleetCluster | undefined;
  /** Makes the watch read the file again now, changed or not, and believe it. */
  ask(): void;
  /** Passes on each new fleet until the signal. A broken file is logged, and the fleet stays. */
  watch(take: TakeFleet, signal: AbortSignal): Promise<void>;
}

/** Applies a new fleet. An error is logged, and the call is repeated. */
export type TakeFleet = (fleet: Fleet, before: Fleet) => Promise<void>;

export interface WatchedFleetOptions {
  readonly path: string;
  /** The fleet read at the start. */
  readonly read: { readonly fleet: Fleet; readonly folder: string };
  readonly clock: Clock;
  /** Waits, and resolves early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "count">;
}

export function watchedFleet(options: WatchedFleetOptions): WatchedFleet {
  const { path, clock, sleep, read } = options;
  let current = byNameOf(read.fleet);
  /** The applied fleet: `current` is ahead of it while a change is being applied, or failed. */
  let taken = read.fleet;
  /** A change that failed half-way may be in force in part: then even the applied fleet has to be applied again. */
  let isHalfTaken = false;
  let isAsked = false;
  /** Since when the file is broken or not applied. */
  let failedAt: EpochMs | undefined;
  /** A fleet that lacks much, and for how many polls the file has had it. */
  let awaited: { readonly fleet: Fleet; polls: number } | undefined;

  const takeUp = async (take: TakeFleet): Promise<void> => {
    const wasAsked = isAsked;
    isAsked = false;
    const { fleet } = await readFleet(path);
    if (!wasAsked && mustAwait(fleet)) return;
    awaited = undefined;
    if (!isHalfTaken && isDeepStrictEqual(fleet, taken)) {
      current = byNameOf(fleet);
      if (wasAsked || failedAt !== undefined) options.log.info("fleet-unchanged", { fleet: path });
      return;
    }
    current = byNameOf(fleet);
    isHalfTaken = true;
    await take(fleet, taken);
    isHalfTaken = false;
    taken = fleet;
    options.log.info("fleet-reloaded", { fleet: path, clusters: fleet.clusters.length });
  };

  /** By its content: a program may write the same file again and again. */
  const mustAwait = (fleet: Fleet): boolean => {
    const gone = goneOf(taken, fleet);
    if (gone.length === 0) return false;
    if (awaited !== undefined && isDeepStrictEqual(awaited.fleet, fleet)) return awaited.polls < BELIEVED_POLLS;
    awaited = { fleet, polls: 0 };
    const waitSeconds = (BELIEVED_POLLS * POLL_MS) / SECOND_MS;
    options.log.warn("fleet-clusters-missing", { fleet: path, gone, waitSeconds });
    return true;
  };

  const attempt = async (take: TakeFleet): Promise<void> => {
    try {
      await takeUp(take);
      failedAt = undefined;
    } catch (error) {
      failedAt = clock();
      awaited = undefined;
      logFailure(options, error);
    }
  };

  return {
    current: () => current.fleet,
    find: (name) => current.byName.get(name),
    ask() {
      isAsked = true;
    },
    async watch(take, signal) {
      // Unset at first, so that a change since the start is noticed too.
      let [seen, handled]: readonly (string | undefined)[] = [];
      while (!signal.aborted) {
        const now = await stampOf(path);
        const isStable = now === seen;
        seen = now;
        if (awaited !== undefined) awaited.polls += 1;
        const isDue = failedAt !== undefined && clock() - failedAt >= AGAIN_MS;
        const isBelieved = isStable && awaited !== undefined && awaited.polls >= BELIEVED_POLLS;
        if (isAsked || isDue || isBelieved || (isStable && now !== handled)) {
          handled = now;
          await attempt(take);
        }
        await sleep(POLL_MS, signal);
      }
    },
  };
}

function byNameOf(fleet: Fleet): { readonly fleet: Fleet; readonly byName: ReadonlyMap<string, FleetCluster> } {
  return { fleet, byName: new Map(fleet.clusters.map((cluster) => [cluster.name, cluster])) };
}

/** What is gone, if it is so much that the file may be half-written: hubs, or many clusters. */
function goneOf(before: Fleet, now: Fleet): readonly string[] {
  const namesIn = ({ clusters, hubs }: Fleet) => [
    ...clusters.map(({ name }) => name),
    ...hubs.map(({ name }) => `hub:${name}`),
  ];
  const left = new Set(namesIn(now));
  const gone = namesIn(before).filter((name) => !left.has(name));
  const isHubGone = before.hubs.some(({ name }) => !left.has(`hub:${name}`));
  return isHubGone || isTooManyGone(gone.length, before.clusters.length) ? gone : [];
}

/** Changes with every edit, also when a link in the path changes, as in a mounted ConfigMap. */
async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? "none" : `${found.dev} ${found.ino} ${found.mtimeNs} ${found.ctimeNs} ${found.size}`;
}

/** A broken edit of the fleet must not stop the other clusters. */
function logFailure({ path, log, metrics }: WatchedFleetOptions, error: unknown): void {
  if (error instanceof InputError) {
    metrics.count("keyferry_fleet_unreadable_total", {});
    log.error("fleet-unreadable", { fleet: path, message: error.message });
    return;
  }
  // Only a bug's name, because its message could quote data.
  const what = error instanceof SyncError ? { code: error.code, message: error.message } : { error: nameOf(error) };
  log.error("fleet-not-taken-up", { fleet: path, ...what });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
