import type { Clock, EpochMs } from "../clock.ts";

/** A value, and until when it may be used. */
export interface Good<T> {
  readonly value: T;
  readonly until: EpochMs;
}

/** A failure is answered again for so long, so that many syncs of a cluster cost one request to AWS. */
const FAILURE_MS = 10_000;

interface Entry<T> {
  readonly asked: Promise<Good<T>>;
  /** Infinity while the request runs. */
  until: EpochMs;
}

/**
 * Keeps what was fetched under an id for as long as it is good; concurrent callers share one request. Entries that are
 * over go with the next request.
 */
export function kept<T>(clock: Clock): (id: string, fetch: () => Promise<Good<T>>) => Promise<T> {
  const known = new Map<string, Entry<T>>();
  return async (id, fetch) => {
    const found = known.get(id);
    if (found !== undefined && clock() < found.until) return (await found.asked).value;
    for (const [other, { until }] of known) if (until <= clock()) known.delete(other);
    const entry: Entry<T> = { asked: fetch(), until: Number.POSITIVE_INFINITY };
    known.set(id, entry);
    try {
      const { value, until } = await entry.asked;
      entry.until = until;
      return value;
    } catch (error) {
      entry.until = clock() + FAILURE_MS;
      throw error;
    }
  };
}
