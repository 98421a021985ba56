import { type Clock, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ListPage } from "../ports/clusters.ts";

/** A list has an end: beyond so many pages, objects, or pages in a row with nothing in them, it is not followed. */
const MAX_PAGES = 2_000;
const MAX_OBJECTS = 100_000;
const MAX_EMPTY_PAGES = 10;
/** Nor longer than a watch pass may hold its cluster. */
const MAX_MS = 2 * MINUTE_MS;

/** Takes each page of one list; throws KUBE_ANSWER_TOO_LARGE when it is one too many. What was read so far says nothing of what is absent. */
export function listBounds(cluster: string, resource: string, clock: Clock): (page: ListPage) => void {
  const until = clock() + MAX_MS;
  let pages = 0;
  let objects = 0;
  let empty = 0;
  return ({ items, continue: next }) => {
    pages += 1;
    objects += items.length;
    empty = items.length === 0 ? empty + 1 : 0;
    const isWithin = pages < MAX_PAGES && objects < MAX_OBJECTS && empty < MAX_EMPTY_PAGES && clock() < until;
    if (next === undefined || isWithin) return;
    const so = `after ${pages} pages with ${objects} objects`;
    throw new SyncError("KUBE_ANSWER_TOO_LARGE", `cluster ${cluster} does not end its list of ${resource} ${so}`);
  };
}
