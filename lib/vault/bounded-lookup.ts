import type { LookupAddress, LookupAllOptions } from "node:dns";

type Answer = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/** Resolves a name to all of its addresses, as node:dns does. */
export type ResolveAll = (hostname: string, options: LookupAllOptions, callback: Answer) => void;

/**
 * The system resolves names in a few threads (four, unless told otherwise) that files are read in as well, and a name server of
 * somebody's own may keep each of them for as long as it likes. So names that resources of clusters bring along take so many at
 * once, and leave the rest to everything else.
 */
const AT_ONCE = 3;

/** So many names may wait for their turn; whose request ended meanwhile has left already. */
const MAX_WAITING = 1_000;

/** A resolver that asks for a name once, however many want it at once, and for few names at a time. */
export function boundedLookup(resolve: ResolveAll, atOnce = AT_ONCE): ResolveAll {
  const underWay = new Map<string, Answer[]>();
  const waiting = new Map<string, () => void>();
  let running = 0;
  const next = (): void => {
    for (const [id, start] of waiting) {
      if (running >= atOnce) return;
      waiting.delete(id);
      start();
    }
  };
  return (hostname, options, callback) => {
    const id = JSON.stringify([hostname, options.family, options.hints]);
    const known = underWay.get(id);
    if (known !== undefined) return void known.push(callback);
    if (waiting.size >= MAX_WAITING)
      return callback(Object.assign(new Error("too many names"), { code: "EAI_AGAIN" }), []);
    const wanted = [callback];
    underWay.set(id, wanted);
    waiting.set(id, () => {
      running += 1;
      resolve(hostname, options, (error, addresses) => {
        running -= 1;
        underWay.delete(id);
        for (const answer of wanted) answer(error, addresses);
        next();
      });
    });
    next();
  };
}
