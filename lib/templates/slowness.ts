import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";

/** Which renderings are expected to be slow, from those that were. */
export interface Slowness {
  /** Whether the template set of this name was slow when it was rendered last. */
  isSlow(name: string): boolean;
  /** Whether unknown sets of `<cluster>/<namespace>` may be slow, because several others of it were. */
  isDoubted(place: string): boolean;
  add(name: string, place: string): void;
  /** The set was quick: perhaps only the machine was slow. */
  forget(name: string): void;
}

/** The maximum number of template sets remembered as slow. */
const MAX_SETS = 1_000;

/** So many within a minute bring a namespace into doubt: it may write new texts without end. */
const MAX_OF_PLACE = 2;

interface Recent {
  readonly times: number;
  readonly until: EpochMs;
}

export function slowness(clock: Clock): Slowness {
  const sets = new Set<string>();
  /** The earliest to end first. Few, since each occupied one of the lanes for as long as a quick rendering may. */
  const places = new Map<string, Recent>();
  return {
    isSlow: (name) => sets.has(name),
    isDoubted(place) {
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
