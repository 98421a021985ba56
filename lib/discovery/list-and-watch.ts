import { MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ListOptions, WatchEvent } from "../ports/clusters.ts";
import type { Cursor } from "../ports/store.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { Slots } from "../util/slots.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { EventHandler } from "./event-handlers.ts";
import { isOfAbort, unlessBug } from "./guard.ts";
import { listBounds } from "./list-bounds.ts";

/**
 * A cursor that stays unchanged for so long is replaced by a list: bookmarks come only when the kind changes
 * (lease-table 19).
 */
export const CURSOR_MAX_AGE_MS = 10 * MINUTE_MS;

/** An API server treats 0 as its default of half an hour. */
const SHORTEST_WATCH_S = 1;

/** The progress of one kind. */
export interface Progress {
  readonly cursor?: Cursor;
  readonly error?: SyncError;
}

/** Its list can't be read, and nobody refused it: it may be readable soon. */
export function isUnreadable({ cursor, error }: Progress): boolean {
  return cursor === undefined && error !== undefined && error.code !== "KUBE_DENIED";
}

export interface ListAndWatchInput {
  readonly cluster: string;
  readonly kind: KindRef;
  readonly options: ListOptions;
  readonly handler: EventHandler;
  /** The starting point. Without a cursor everything is listed. */
  readonly from: Progress;
  /** Called after each processed part, so that the next watch pass continues there. */
  readonly onProgress: (progress: Progress) => void;
  /** How long to watch; 0: only a list or a short resume. */
  readonly seconds: number;
  /** Called after the list, before the watch; also when this kind can't be read. */
  readonly onCaughtUp: () => void;
  /** Called before a list in place of an expired cursor; `onCaughtUp` comes again after it. */
  readonly onBehind: () => void;
  /** Limits how many lists of this cluster run at a time, and so how many pages are in memory. */
  readonly lists: Slots;
}

/**
 * Processes the changes of a kind since the cursor, or all objects without a cursor. Rows are written before the
 * cursor, so that the cursor covers only processed changes (lease-table 21). Resolves with the progress.
 */
export async function listAndWatch(
  deps: DiscoveryDeps,
  input: ListAndWatchInput,
  signal: AbortSignal,
): Promise<Progress> {
  const { error: last, ...from } = input.from;
  const { cursor } = from;
  const isOld = cursor !== undefined && deps.clock() - cursor.movedAt > CURSOR_MAX_AGE_MS;
  let progress: Progress = isOld ? withoutCursor(from) : from;
  const move = (next: Progress): void => {
    progress = next;
    input.onProgress(next);
  };
  // The last error stays reported until this try has ended.
  input.onProgress(last === undefined ? progress : { ...progress, error: last });
  try {
    const isResumed = progress.cursor !== undefined;
    for await (const next of catchUp(deps, input, progress, signal)) move(next);
    // An expired cursor costs one list.
    if (isResumed && progress.cursor === undefined) {
      input.onBehind();
      for await (const next of catchUp(deps, input, progress, signal)) move(next);
    }
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    move({ ...progress, error });
  } finally {
    input.onCaughtUp();
  }
  return progress;
}

function withoutCursor({ cursor: _old, ...rest }: Progress): Progress {
  return rest;
}

type Steps = AsyncGenerator<Progress, void, undefined>;

/** Lists if there is no cursor, then watches. Drops an expired cursor. */
async function* catchUp(deps: DiscoveryDeps, input: ListAndWatchInput, from: Progress, signal: AbortSignal): Steps {
  const listed = from.cursor === undefined ? await listAll(deps, input, from, signal) : from;
  yield listed;
  input.onCaughtUp();
  if (from.cursor === undefined && input.seconds === 0) return;
  yield* watch(deps, input, listed, signal);
}

/**
 * Leaves no cursor when the cluster does not serve this kind; that does not mean that its objects are gone (lease-table
 * 18). Holds its slot to the end, so that of many lists the first ones end in time and are not read again.
 */
async function listAll(
  deps: DiscoveryDeps,
  input: ListAndWatchInput,
  from: Progress,
  signal: AbortSignal,
): Promise<Progress> {
  const read = { pages: 0, items: 0 };
  try {
    return await input.lists.run(input.cluster, () => pageByPage(deps, input, { from, read }, signal), signal);
  } catch (error) {
    throw isOfAbort(error, signal) ? lateList(input, read, error) : error;
  }
}

function lateList(
  { cluster, kind: { resource } }: ListAndWatchInput,
  { pages, items }: Read,
  cause: unknown,
): SyncError {
  const so = `after ${pages} pages with ${items} objects`;
  return new SyncError(
    "DEADLINE_EXCEEDED",
    `keyferry ran out of time to list ${resource} in cluster ${cluster}, ${so}: name its namespaces in fleet.yaml, so that each has a list of its own`,
    { cause },
  );
}

/** How much of a list is read. */
interface Read {
  pages: number;
  items: number;
}

async function pageByPage(
  deps: DiscoveryDeps,
  { cluster, kind, options, handler }: ListAndWatchInput,
  { from, read }: { readonly from: Progress; readonly read: Read },
  signal: AbortSignal,
): Promise<Progress> {
  const listing = handler.list();
  const take = listBounds(cluster, kind.resource, deps.clock);
  let resourceVersion: string | undefined;
  for (let next: string | undefined, isFirst = true; isFirst || next !== undefined; isFirst = false) {
    const answer = await deps.clusters.list(cluster, kind, options, next, signal);
    if (!answer) {
      await handler.notServed();
      return from;
    }
    // An incomplete list does not show what is missing.
    take(answer);
    resourceVersion ??= answer.resourceVersion;
    read.pages += 1;
    read.items += answer.items.length;
    await listing.page(answer.items, signal, resourceVersion);
    next = answer.continue;
  }
  deps.log.debug("kind-listed", { cluster, kind: kind.kind, items: read.items });
  await listing.end(signal);
  return { ...from, cursor: { resourceVersion: resourceVersion ?? "0", movedAt: deps.clock() } };
}

async function* watch(deps: DiscoveryDeps, input: ListAndWatchInput, from: Progress, signal: AbortSignal): Steps {
  if (!from.cursor) return;
  const { resourceVersion: version } = from.cursor;
  const since = { resourceVersion: version, seconds: Math.max(input.seconds, SHORTEST_WATCH_S) };
  for await (const event of deps.clusters.watch(input.cluster, input.kind, input.options, since, signal)) {
    if (event.type === "EXPIRED") {
      yield withoutCursor(from);
      return;
    }
    if (event.type !== "BOOKMARK")
      await unlessBug(deps, { ...input, object: event.object }, () => takeIn(input, event, signal));
    const { resourceVersion } = event.type === "BOOKMARK" ? event : event.object;
    yield { ...from, cursor: { resourceVersion, movedAt: deps.clock() } };
  }
}

type Change = Extract<WatchEvent, { readonly object: unknown }>;

function takeIn({ handler }: ListAndWatchInput, { type, object }: Change, signal: AbortSignal): Promise<void> {
  return type === "DELETED" ? handler.deleted(object) : handler.changed(object, signal);
}
