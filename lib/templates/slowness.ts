import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";

/** Which renderings are expected to be slow, from those that were. */
export interface Slowness {
  /** `name` is that of the template set, `place` is `<cluster>/<namespace>`. */
  isExpected(name: string, place: string): boolean;
  add(name: string, place: string): void;
  /** The set was quick: perhaps only the machine was slow. */
  forget(name: string): void;
}

/** The maximum number of template sets remembered as slow. */
const MAX_SETS = 1_000;

/** So many within a minute make a namespace slow as a whole: it may write new texts without end. */
const MAX_OF_PLACE = 2;

interface Recent {
  readonly times: number;
  readonly until: EpochMs;
}

export function slowness(clock: Clock): Slowness {
  const sets = new Set<string>();
  /** The earliest to end first. Few, since each was in the quick lane, which takes one rendering at a time. */
  const places = new Map<string, Recent>();
  return {
    isExpected(name, place) {
      if (sets.has(name)) return true;
      const recent = places.get(place);
      return recent !== undefined && recent.times >= MAX_OF_PLACE && recent.until > clock();
    },
    add(name, place) {
      const [oldest] = sets;
      if (sets.size >= MAX_SETS && oldest !== undefined) sets.delete(oldest);
      sets.add(name);
      const now = clock();
      for (const [known, { until }] of places) {
        if (until > now) break;
        places.delete(known);
      }
      const times = (places.get(place)?.times ?? 0) + 1;
      places.delete(place);
      places.set(place, { times, until: now + MINUTE_MS });
    },
    forget: (name) => void sets.delete(name),
  };
}
