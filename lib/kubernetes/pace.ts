import type { Clock, EpochMs } from "../clock.ts";
import { SECOND_MS } from "../clock.ts";

const MIB = 1_024 * 1_024;

/** What is read of one cluster in the long run, in bytes of a second: to parse so much takes a fifth of one core. */
const RATE = 16 * MIB;
/** What may come at once: the lists of a large cluster at the start. */
const BURST = 64 * MIB;
/** What a line of a watch costs beside its length: it is checked, and a row is read for it. */
export const LINE_COST = 4 * 1_024;

export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** How fast answers of each cluster are taken: one that sends without end must not have this process to itself. */
export interface Pace {
  /** Before so many bytes of this cluster are parsed; waits when it has sent more than its share. */
  spend(cluster: string, bytes: number, signal: AbortSignal): Promise<void>;
}

export function pace(clock: Clock, sleep: Sleep): Pace {
  const levels = new Map<string, { readonly left: number; readonly at: EpochMs }>();
  return {
    async spend(cluster, bytes, signal) {
      const now = clock();
      const known = levels.get(cluster) ?? { left: BURST, at: now };
      const refilled = Math.min(BURST, known.left + (Math.max(0, now - known.at) * RATE) / SECOND_MS);
      const left = refilled - bytes;
      levels.set(cluster, { left, at: now });
      if (left < 0) await sleep(Math.ceil((-left * SECOND_MS) / RATE), signal);
    },
  };
}
