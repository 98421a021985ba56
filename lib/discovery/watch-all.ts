import { SECOND_MS } from "../clock.ts";
import { type ErrorCode, OUTAGE_CODES } from "../errors.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Cursor } from "../ports/store.ts";
import { slots } from "../util/slots.ts";
import { tasks } from "../util/tasks.ts";
import { credentialTargets } from "./credentials.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { type ListAndWatchInput, listAndWatch, type Progress } from "./list-and-watch.ts";
import type { WatchPassOptions } from "./pass.ts";
import type { RowBudget } from "./row-budget.ts";
import type { WatchTarget } from "./watch-target.ts";

/** How often to check whether syncs refer to credentials that are not watched yet. */
const CREDENTIALS_AGAIN_MS = 5 * SECOND_MS;
/**
 * How soon a kind that is not served or not readable is tried again: a starting API server answers 404 for all custom
 * kinds.
 */
const UNREAD_AGAIN_MS = 5 * SECOND_MS;
/** The maximum number of pages of one cluster in memory; each is up to 8 MiB. */
const PAGES_AT_ONCE = 8;
/** All watches end at about the same time; one that ended much earlier was cut. */
const TOGETHER_MS = SECOND_MS;

export interface WatchAllInput {
  /** The cursor of each target, by name. */
  readonly cursors: Readonly<Record<string, Cursor>>;
  /** The progress of a target, by name. */
  readonly onProgress: (name: string, progress: Progress) => void;
  readonly budget: RowBudget;
}

/**
 * Watches every target for the time of the watch pass. When one watch is cut, the others end as well, and the next
 * watch pass resumes all of them; otherwise one would be missing for the rest of the time.
 */
export async function watchAll(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  targets: readonly WatchTarget[],
  { cursors, onProgress, budget }: WatchAllInput,
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<void> {
  const window = new AbortController();
  const inWindow = AbortSignal.any([signal, window.signal]);
  const started = new Set<string>();
  const gate = caughtUpGate(targets, options);
  const pages = slots({ atOnce: PAGES_AT_ONCE, ofPlace: PAGES_AT_ONCE, inAll: PAGES_AT_ONCE });
  const until = deps.clock() + options.seconds * SECOND_MS;

  const timeLeft = (): number => (inWindow.aborted ? 0 : until - deps.clock());
  const followUnread = async (input: Omit<ListAndWatchInput, "seconds">): Promise<Progress> => {
    let progress = input.from;
    for (let left = timeLeft(); isUnread(progress) && left > 0; left = timeLeft()) {
      await options.sleep(Math.min(UNREAD_AGAIN_MS, left), inWindow);
      if (timeLeft() <= 0) continue;
      const seconds = Math.ceil(timeLeft() / SECOND_MS);
      progress = await listAndWatch(deps, { ...input, from: progress, seconds }, inWindow);
    }
    return progress;
  };
  const run = async (target: WatchTarget): Promise<void> => {
    const { name } = target;
    started.add(name);
    if (!target.isReference) await gate.referencesKnown;
    const onCaughtUp = (): void => gate.caughtUp(name);
    const cursor = cursors[name];
    const input = {
      ...{ ...target, cluster: settings.name, onCaughtUp, pages },
      from: cursor === undefined ? {} : { cursor },
      onProgress: (progress: Progress) => onProgress(name, progress),
    };
    const first = await listAndWatch(deps, { ...input, seconds: options.seconds }, inWindow);
    const progress = await followUnread({ ...input, from: first });
    if (progress.error && ENDS_THE_PASS.has(progress.error.code)) window.abort();
    else if (progress.cursor && !progress.error && options.seconds > 0) {
      await options.sleep(TOGETHER_MS, inWindow);
      window.abort();
    }
  };
  const runCredentials = async (): Promise<void> => {
    await gate.allKnown;
    do {
      const wanted = await credentialTargets(deps, settings, budget);
      for (const target of wanted.filter(({ name }) => !started.has(name))) besides.add(run(target));
      if (options.seconds > 0) await options.sleep(CREDENTIALS_AGAIN_MS, inWindow);
    } while (options.seconds > 0 && !inWindow.aborted);
  };
  // A failure ends all watches, and this returns only when all have ended.
  const endAll = (): void => window.abort();
  const declared = tasks(endAll);
  const besides = tasks(endAll);
  for (const target of targets) declared.add(run(target));
  besides.add(runCredentials());
  try {
    await declared.allDone();
  } finally {
    if (options.seconds > 0) endAll();
    await besides.allDone();
  }
}

/** The cluster is out of reach, or another watch pass has it. */
const ENDS_THE_PASS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([...OUTAGE_CODES, "LEASE_LOST"]);

/** Not watched, although the cluster is reachable. */
function isUnread({ cursor, error }: Progress): boolean {
  return error ? !ENDS_THE_PASS.has(error.code) && error.code !== "DEADLINE_EXCEEDED" : cursor === undefined;
}

/** References are processed before the syncs that name them, because each sync would otherwise fail once. */
function caughtUpGate(targets: readonly WatchTarget[], options: WatchPassOptions) {
  const behind = new Set(targets.map((target) => target.name));
  const references = new Set(targets.filter((target) => target.isReference).map((target) => target.name));
  const referencesKnown = Promise.withResolvers<void>();
  const allKnown = Promise.withResolvers<void>();
  return {
    referencesKnown: referencesKnown.promise,
    allKnown: allKnown.promise,
    caughtUp(name: string): void {
      if (references.delete(name) && references.size === 0) referencesKnown.resolve();
      if (!behind.delete(name) || behind.size > 0) return;
      allKnown.resolve();
      options.onListed?.();
    },
  };
}
