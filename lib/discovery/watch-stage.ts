import { isDeepStrictEqual } from "node:util";
import { SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ClusterState } from "../ports/store.ts";
import { tasks } from "../util/tasks.ts";
import { type DriftWatch, driftWatch } from "./drift.ts";
import type { Progress } from "./list-and-watch.ts";
import { operatorGuard } from "./operator-guard.ts";
import type { Pass, Stage } from "./pass.ts";
import { rowBudget } from "./row-budget.ts";
import { type Sight, sightOf } from "./sight.ts";
import { missingRows } from "./tombstone-missing.ts";
import { type VsoWatch, vsoWatch } from "./vso-watch.ts";
import { watchAll } from "./watch-all.ts";
import { watchTargets } from "./watch-targets.ts";

/** How often a watch stores its progress. */
const SAVE_AGAIN_MS = 5 * SECOND_MS;
/** How often deferred Secrets are checked again. */
const DEFERRED_AGAIN_MS = 200;

/** Lists each kind, then watches it for the rest of the watch pass. */
export const watches: Stage<"start" | "operator" | "state", "state" | "error" | "failure"> = {
  name: "watches",
  async run(pass, { start, operator, state }) {
    const { deps, settings, circuits, options, signal } = pass;
    const saved = savedRow(pass, state);
    const drift = driftWatch(deps, settings.name);
    const budget = rowBudget(deps, settings.name, start.kept);
    const guard = operatorGuard(deps, settings, operator);
    const vso = vsoWatch(deps, {
      ...{ settings, operator, circuits, before: state.vsoIn },
      save: async (vsoIn) => void (await saved.put({ ...saved.latest(), vsoIn })),
    });
    const approval = { isApproved: options.acceptMissing, before: start.awaitingApproval };
    const missing = missingRows(deps, settings.name, approval);
    const targets = watchTargets(deps, settings, { drift, vso, guard, budget, missing }, options, start.restores);
    const declared = new Set(targets.map(({ name }) => name));
    const progressOf = new Map<string, Progress>();
    const sight = (): Sight => {
      const isOver = options.hasTimeLimit === true && signal.aborted;
      const before = { ...since(saved.latest(), start), ...seenOf(vso) };
      return sightOf(before, { progressOf, declared, budget, missing, isOver }, deps.clock());
    };
    const input = {
      ...{ cursors: start.cursors, unread: start.unread ?? {}, budget, missing },
      onProgress: (name: string, progress: Progress) => void progressOf.set(name, progress),
    };
    const beside = (until: AbortSignal, listed: Promise<void>) => [
      checkDeferredAgain(pass, drift, until),
      ...(options.seconds > 0 ? [listed.then(() => saveNews(pass, saved, drift, { start, sight }, until))] : []),
    ];
    const watching = (until: AbortSignal, onListed: () => void) =>
      watchAll(deps, settings, targets, input, { ...options, onListed }, until);

    const cut = await failureOf(() => watchBeside(pass, watching, beside));
    const { state: seen, error } = sight();
    const failure = cut ?? (await failureOf(() => drift.settleDeferred(true)));
    // After a failure, findings that are only in memory must be seen again.
    return { state: failure ? saved.latest() : seen, error, failure };
  },
};

/** Runs watches together with other work that starts and ends with them. Any failure ends all of it. */
async function watchBeside(
  { options, signal }: Pass,
  watching: (until: AbortSignal, onListed: () => void) => Promise<void>,
  beside: (until: AbortSignal, listed: Promise<void>) => readonly Promise<void>[],
): Promise<void> {
  const done = new AbortController();
  const until = AbortSignal.any([signal, done.signal]);
  const listed = Promise.withResolvers<void>();
  const others = tasks(() => done.abort());
  for (const work of beside(until, listed.promise)) others.add(work);
  try {
    await watching(until, () => {
      options.onListed?.();
      listed.resolve();
    });
  } finally {
    done.abort();
    listed.resolve();
    await others.allDone();
  }
}

async function failureOf(work: () => Promise<void>): Promise<SyncError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
}

/** The state at the start, with the troubles of the latest one: each has the time when it began. */
function since({ error, outOfSight, unread }: ClusterState, start: ClusterState): ClusterState {
  const { error: _error, outOfSight: _since, unread: _unread, ...rest } = start;
  return {
    ...rest,
    ...(error && { error }),
    ...(unread && { unread }),
    ...(outOfSight === undefined ? {} : { outOfSight }),
  };
}

function seenOf(vso: VsoWatch): Pick<ClusterState, "vsoIn"> {
  const vsoIn = vso.latest();
  return Object.keys(vsoIn).length === 0 ? {} : { vsoIn };
}

/** The cluster's row during this watch pass. */
interface SavedRow {
  /** The state from which a new watch pass may start. */
  latest(): ClusterState;
  /** Stores this state if it differs from the stored one. */
  put(state: ClusterState): Promise<void>;
}

function savedRow({ deps, row }: Pass, before: ClusterState): SavedRow {
  let latest = before;
  // The findings of earlier stages are not stored yet.
  let stored = row.state;
  return {
    latest: () => latest,
    async put(state) {
      latest = state;
      if (isDeepStrictEqual(state, stored)) return;
      stored = state;
      await deps.leases.saveCluster(row, state, { until: row.leaseUntil });
    },
  };
}

/** Stores the findings of a long watch, for people, and so that a crash repeats little. */
async function saveNews(
  { options }: Pass,
  saved: SavedRow,
  drift: DriftWatch,
  { start, sight }: { readonly start: ClusterState; readonly sight: () => Sight },
  until: AbortSignal,
): Promise<void> {
  while (!until.aborted) {
    const { state } = sight();
    const news = { ...state, cursors: { ...start.cursors, ...state.cursors } };
    // The save at the end of the watch pass reports failures.
    if (!drift.isDeferring()) await failureOf(() => saved.put(news));
    await options.sleep(SAVE_AGAIN_MS, until);
  }
}

/** Checks Secrets that were seen while their row was claimed, as soon as the row is settled (lease-table 22). */
async function checkDeferredAgain({ deps, options }: Pass, drift: DriftWatch, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    await options.sleep(DEFERRED_AGAIN_MS, until);
    const failure = await failureOf(() => drift.settleDeferred(false));
    if (failure === undefined) continue;
    // It stays deferred, and is checked again.
    deps.log.warn("drift-not-classified", { code: failure.code, message: failure.message });
    await options.sleep(SAVE_AGAIN_MS, until);
  }
}
