import { type Clock, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ListPage } from "../ports/clusters.ts";

/** The limit of pages, objects, and consecutive empty pages in a list. */
const MAX_PAGES = 2_000;
const MAX_OBJECTS = 100_000;
const MAX_EMPTY_PAGES = 10;
/** The time limit of a list, so that a watch pass does not hold its cluster for longer. */
const MAX_MS = 2 * MINUTE_MS;

/**
 * Checks each page of a list; throws KUBE_ANSWER_TOO_LARGE beyond a limit. Such a list does not show what is missing.
 */
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
