import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { type ErrorCode, OUTAGE_CODES } from "../errors.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Cursor } from "../ports/store.ts";
import { type Slots, slots } from "../util/slots.ts";
import { tasks } from "../util/tasks.ts";
import { credentialTargets } from "./credentials.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { isUnreadable, type ListAndWatchInput, listAndWatch, type Progress } from "./list-and-watch.ts";
import type { WatchPassOptions } from "./pass.ts";
import type { RowBudget } from "./row-budget.ts";
import type { MissingRows } from "./tombstone-missing.ts";
import type { WatchTarget } from "./watch-target.ts";

/** How often to check whether syncs refer to credentials that are not watched yet. */
const CREDENTIALS_AGAIN_MS = 5 * SECOND_MS;
/**
 * How soon a kind that is not served or not readable is tried again: a starting API server answers 404 for all custom
 * kinds.
 */
const UNREAD_AGAIN_MS = 5 * SECOND_MS;
/** The maximum number of lists of one cluster at a time. Each has a page in memory, of up to 8 MiB. */
const LISTS_AT_ONCE = 8;
/** All watches end at about the same time; one that ended much earlier was cut. */
const TOGETHER_MS = SECOND_MS;
/** How long to watch again when the time is over, and another kind is still listed. */
const MEANWHILE_MS = 5 * SECOND_MS;

export interface WatchAllInput {
  /** The cursor of each target, by name. */
  readonly cursors: Readonly<Record<string, Cursor>>;
  /** Since when a target can't be read, by name. */
  readonly unread: Readonly<Record<string, EpochMs>>;
  /** The progress of a target, by name. */
  readonly onProgress: (name: string, progress: Progress) => void;
  readonly budget: RowBudget;
  readonly missing: MissingRows;
}

/**
 * Watches every target for the time of the watch pass, and until the last one is listed, because a list that is cut off
 * begins anew. When one watch is cut later, the others end as well, and the next watch pass resumes all of them;
 * otherwise one would be missing for the rest of the time.
 */
export async function watchAll(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  targets: readonly WatchTarget[],
  input: WatchAllInput,
  options: WatchPassOptions,
  signal: AbortSignal,
): Promise<void> {
  const window = new AbortController();
  const unread = new Map(Object.entries(input.unread));
  const shared: Shared = {
    ...{ deps, settings, input, options, window, unread },
    inWindow: AbortSignal.any([signal, window.signal]),
    until: deps.clock() + options.seconds * SECOND_MS,
    started: new Set(),
    progressOf: new Map(),
    gate: caughtUpGate(targets, options, (name) => isLongUnread(deps.clock(), unread.get(name))),
    lists: slots({ atOnce: LISTS_AT_ONCE, ofPlace: LISTS_AT_ONCE, inAll: LISTS_AT_ONCE }),
  };
  // A failure ends all watches, and this returns only when all have ended.
  const endAll = (): void => window.abort();
  const declared = tasks(endAll);
  const besides = tasks(endAll);
  for (const target of targets) declared.add(watchOne(shared, target));
  besides.add(watchCredentials(shared, (target) => besides.add(watchOne(shared, target))));
  besides.add(settleMissingAgain(shared));
  try {
    await declared.allDone();
  } finally {
    if (options.seconds > 0) endAll();
    await besides.allDone();
  }
  await settleMissing(shared, signal);
}

/** What all watches of one watch pass share. */
interface Shared {
  readonly deps: DiscoveryDeps;
  readonly settings: ClusterSettings;
  readonly input: WatchAllInput;
  readonly options: WatchPassOptions;
  /** Aborted when one watch is cut, or all have had their time. */
  readonly window: AbortController;
  /** Aborts with it, and with the caller. */
  readonly inWindow: AbortSignal;
  readonly until: EpochMs;
  /** The names of all targets that are watched. */
  readonly started: Set<string>;
  /** Of each target that is watched from the start. */
  readonly progressOf: Map<string, Progress>;
  /** Since when a target could not be read before this watch pass, and in it up to now. */
  readonly unread: Map<string, EpochMs>;
  readonly gate: ReturnType<typeof caughtUpGate>;
  readonly lists: Slots;
}

async function watchOne(shared: Shared, target: WatchTarget): Promise<void> {
  const { deps, settings, options, window, inWindow, gate, lists } = shared;
  const { cursors, onProgress } = shared.input;
  const { name } = target;
  shared.started.add(name);
  if (!target.isReference) await gate.referencesKnown;
  const onCaughtUp = (): void => gate.caughtUp(name);
  const onBehind = (): void => gate.fellBehind(name);
  const cursor = cursors[name];
  const input = {
    ...{ ...target, cluster: settings.name, onCaughtUp, onBehind, lists },
    from: cursor === undefined ? {} : { cursor },
    onProgress(progress: Progress): void {
      if (gate.isDeclared(name)) shared.progressOf.set(name, progress);
      if (progress.cursor !== undefined) shared.unread.delete(name);
      onProgress(name, progress);
    },
  };
  const follow = async (from: Progress, seconds: number): Promise<Progress> =>
    followUnread(shared, { ...input, from: await listAndWatch(deps, { ...input, from, seconds }, inWindow) });
  let progress = await follow(input.from, options.seconds);
  while (isWatched(progress) && options.seconds > 0) {
    await options.sleep(TOGETHER_MS, inWindow);
    if (gate.isOpen() || inWindow.aborted) return window.abort();
    progress = await follow(progress, Math.ceil(Math.max(MEANWHILE_MS, timeLeft(shared)) / SECOND_MS));
  }
  if (progress.error && ENDS_THE_PASS.has(progress.error.code)) window.abort();
}

/** In ms. None is left after the clock stepped back, which would make the pass longer by as much. */
function timeLeft({ deps, options, inWindow, until }: Shared): number {
  const left = inWindow.aborted ? 0 : until - deps.clock();
  return left > options.seconds * SECOND_MS ? 0 : left;
}

/** Tries what could not be read again and again, as long as the watch pass lasts. */
async function followUnread(shared: Shared, input: Omit<ListAndWatchInput, "seconds">): Promise<Progress> {
  const { deps, options, inWindow } = shared;
  let progress = input.from;
  for (let left = timeLeft(shared); isUnread(progress) && left > 0; left = timeLeft(shared)) {
    await options.sleep(Math.min(UNREAD_AGAIN_MS, left), inWindow);
    if (timeLeft(shared) <= 0) continue;
    const seconds = Math.ceil(timeLeft(shared) / SECOND_MS);
    progress = await listAndWatch(deps, { ...input, from: progress, seconds }, inWindow);
  }
  return progress;
}

/** Watches the credentials that syncs refer to, once these are known: other ones may be added at any time. */
async function watchCredentials(shared: Shared, watch: (target: WatchTarget) => void): Promise<void> {
  const { deps, settings, input, options, inWindow, started, gate } = shared;
  const credentials = credentialTargets(deps, settings, input.budget);
  await gate.allKnown;
  do {
    const wanted = await credentials();
    for (const target of wanted.filter(({ name }) => !started.has(name))) watch(target);
    if (options.seconds > 0) await options.sleep(CREDENTIALS_AGAIN_MS, inWindow);
  } while (options.seconds > 0 && !inWindow.aborted);
}

/** All lists of one start or restart end within this time of each other, if they are short. */
const MISSING_AGAIN_MS = 3 * SECOND_MS;

/** Handles what lists lack soon after the last one has ended. Others may come later: expired cursors are found one by one. */
async function settleMissingAgain(shared: Shared): Promise<void> {
  const { options, inWindow, window, gate, input } = shared;
  await gate.readableKnown;
  while (options.seconds > 0 && !inWindow.aborted) {
    await options.sleep(MISSING_AGAIN_MS, inWindow);
    if (gate.isOpenToReadable() && !inWindow.aborted) await settleMissing(shared, inWindow);
    if (ENDS_THE_PASS.has(input.missing.problem()?.code)) window.abort();
  }
}

/**
 * Not when the cluster is out of reach, or a list can't be read yet: the next watch pass lists again. A restored etcd
 * comes with a new API server, which answers 404 for some kinds at first.
 */
async function settleMissing(
  { deps, progressOf, unread: since, input, gate }: Shared,
  signal: AbortSignal,
): Promise<void> {
  const all = [...progressOf];
  const isCut = all.some(([, { error }]) => ENDS_THE_PASS.has(error?.code));
  const now = deps.clock();
  const isNew = all.some(([name, one]) => isUnreadable(one) && !isLongUnread(now, since.get(name)));
  if (isCut || isNew) return;
  const unread = all.filter(([, { cursor, error }]) => cursor === undefined && error !== undefined);
  await input.missing.settle(unread.length === 0 && gate.isOpen(), signal);
}

/** So long after it could be read last, a list that is still unreadable keeps no clean-ups waiting. */
const UNREADABLE_MS = 5 * MINUTE_MS;

function isLongUnread(now: EpochMs, since: EpochMs | undefined): boolean {
  return since !== undefined && now - since >= UNREADABLE_MS;
}

/** The cluster is out of reach, or another watch pass has it. */
const ENDS_THE_PASS: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([...OUTAGE_CODES, "LEASE_LOST"]);

/** Not watched, although the cluster is reachable. */
function isUnread({ cursor, error }: Progress): boolean {
  return error ? !ENDS_THE_PASS.has(error.code) && error.code !== "DEADLINE_EXCEEDED" : cursor === undefined;
}

/** Its watch ended because its time was over, or was cut. */
function isWatched({ cursor, error }: Progress): boolean {
  return cursor !== undefined && error === undefined;
}

/** References are processed before the syncs that name them, because each sync would otherwise fail once. */
function caughtUpGate(
  targets: readonly WatchTarget[],
  options: WatchPassOptions,
  isLongUnread: (name: string) => boolean,
) {
  const declared: ReadonlySet<string> = new Set(targets.map((target) => target.name));
  const behind = new Set(declared);
  let isTold = false;
  const references = new Set(targets.filter((target) => target.isReference).map((target) => target.name));
  const referencesKnown = Promise.withResolvers<void>();
  const allKnown = Promise.withResolvers<void>();
  const readableKnown = Promise.withResolvers<void>();
  const isOpenToReadable = (): boolean => [...behind].every(isLongUnread);
  return {
    referencesKnown: referencesKnown.promise,
    allKnown: allKnown.promise,
    /** As `allKnown`, without those that could not be read for long. */
    readableKnown: readableKnown.promise,
    isDeclared: (name: string) => declared.has(name),
    /** Every target is listed, or can't be read. */
    isOpen: () => behind.size === 0,
    /** The same of all that are not unreadable for long: one whose list never ends in time is not waited for. */
    isOpenToReadable,
    /** It is listed once more. What was known by then stays known: the others go on, and only do not end before. */
    fellBehind: (name: string) => void (declared.has(name) && behind.add(name)),
    caughtUp(name: string): void {
      if (references.delete(name) && references.size === 0) referencesKnown.resolve();
      const isNews = behind.delete(name);
      if (isOpenToReadable()) readableKnown.resolve();
      if (!isNews || behind.size > 0) return;
      allKnown.resolve();
      if (!isTold) options.onListed?.();
      isTold = true;
    },
  };
}
