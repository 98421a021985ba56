import { MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ClusterState, Cursor, KindRef, ListOptions, SeenResource } from "../reconcile/ports.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { Intake } from "./intake.ts";

/** A cursor that did not move for so long is listed again: bookmarks come only when the kind moved (lease-table 19). */
export const CURSOR_MAX_AGE_MS = 10 * MINUTE_MS;

/** An API server takes 0 for its own default, which is half an hour. */
const SHORTEST_WATCH_S = 1;

/** Pages of 500; a cluster with more objects of one kind than this is beyond what we were built for. */
const MAX_PAGES = 2_000;

export interface Followed {
  readonly cursor?: Cursor;
  readonly held?: ClusterState["held"];
  readonly error?: SyncError;
}

export interface FollowInput {
  readonly cluster: string;
  readonly kind: KindRef;
  readonly options: ListOptions;
  readonly intake: Intake;
  readonly cursor: Cursor | undefined;
  /** How long to watch; 0: one list or a short resume. */
  readonly seconds: number;
  /** Called once everything that is there was taken in, before the watch; also when this kind can't be read. */
  readonly onCaughtUp: () => void;
}

/**
 * Changes of one kind since the cursor, or everything when there is none. Rows first, cursor last: what is answered is
 * the cursor up to which everything was taken in (lease-table 21).
 */
export async function follow(deps: DiscoveryDeps, input: FollowInput, signal: AbortSignal): Promise<Followed> {
  const isOld = input.cursor !== undefined && deps.clock() - input.cursor.movedAt > CURSOR_MAX_AGE_MS;
  let at: Followed = input.cursor && !isOld ? { cursor: input.cursor } : {};
  try {
    at = await catchUp(deps, input, at, signal);
    return at.cursor === undefined ? await catchUp(deps, input, at, signal) : at;
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return { ...at, error };
  } finally {
    input.onCaughtUp();
  }
}

/** A list if there is no cursor, then a watch. A cursor that turns out too old is answered away. */
async function catchUp(
  deps: DiscoveryDeps,
  input: FollowInput,
  from: Followed,
  signal: AbortSignal,
): Promise<Followed> {
  const isListed = from.cursor === undefined;
  const at = isListed ? { ...from, ...(await listAll(deps, input, signal)) } : from;
  input.onCaughtUp();
  if (at.cursor === undefined || (isListed && input.seconds === 0)) return at;
  const { isExpired, ...watched } = await watch(deps, input, at.cursor, signal);
  return isExpired ? withoutCursor({ ...at, ...watched }) : { ...at, ...watched };
}

function withoutCursor({ cursor: _expired, ...rest }: Followed): Followed {
  return rest;
}

/** Without a cursor: the cluster does not have this kind, which is no reason to believe that its objects are gone (lease-table 18). */
async function listAll(deps: DiscoveryDeps, input: FollowInput, signal: AbortSignal): Promise<Followed> {
  const items: SeenResource[] = [];
  let page: string | undefined;
  let resourceVersion: string | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const answer = await deps.clusters.list(input.cluster, input.kind, input.options, page, signal);
    if (!answer) return {};
    resourceVersion ??= answer.resourceVersion;
    items.push(...answer.items);
    page = answer.continue;
    if (!page) break;
  }
  deps.log.debug("kind-listed", { cluster: input.cluster, kind: input.kind.kind, items: items.length });
  const held = await input.intake.list(items, signal);
  return { cursor: { resourceVersion: resourceVersion ?? "0", movedAt: deps.clock() }, ...(held ? { held } : {}) };
}

interface Watched {
  readonly cursor: Cursor;
  readonly held?: ClusterState["held"];
  readonly isExpired: boolean;
}

async function watch(deps: DiscoveryDeps, input: FollowInput, from: Cursor, signal: AbortSignal): Promise<Watched> {
  let cursor = from;
  let held: ClusterState["held"];
  const since = { resourceVersion: from.resourceVersion, seconds: Math.max(input.seconds, SHORTEST_WATCH_S) };
  const moved = (resourceVersion: string): Cursor => ({ resourceVersion, movedAt: deps.clock() });
  for await (const event of deps.clusters.watch(input.cluster, input.kind, input.options, since, signal)) {
    if (event.type === "EXPIRED") return { cursor, ...(held ? { held } : {}), isExpired: true };
    if (event.type === "BOOKMARK") {
      cursor = moved(event.resourceVersion);
      continue;
    }
    if (event.type === "DELETED") held = (await input.intake.deleted(event.object, signal)) ?? held;
    else await input.intake.changed(event.object, signal);
    cursor = moved(event.object.resourceVersion);
  }
  return { cursor, ...(held ? { held } : {}), isExpired: false };
}
