import type { LookupAddress, LookupAllOptions } from "node:dns";

type Answer = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/** Resolves a name to all of its addresses, as node:dns does. */
export type ResolveAll = (hostname: string, options: LookupAllOptions, callback: Answer) => void;

/**
 * The system resolves names in a few threads (four by default) that also read files, and a tenant's name server can
 * block each of them for as long as it likes. So names that resources of clusters declare use at most this many
 * threads.
 */
const AT_ONCE = 3;

/** The maximum number of waiting names; a name leaves when its request ends. */
const MAX_WAITING = 1_000;

/** A resolver that shares concurrent lookups of the same name, and limits how many names it resolves at once. */
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
