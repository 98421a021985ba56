import type { Clock, EpochMs } from "../clock.ts";
import { SECOND_MS } from "../clock.ts";

const MIB = 1_024 * 1_024;

/** Bytes per second that we read of one cluster on average: parsing them takes a fifth of a core. */
const RATE = 16 * MIB;
/** The burst: the lists of a large cluster at the start. */
const BURST = 64 * MIB;
/** The cost of a watch line besides its length: a check, and a read of its row. */
export const LINE_COST = 4 * 1_024;

export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** Limits how fast we read each cluster, so that one endless stream does not occupy this process. */
export interface Pace {
  /** Call before parsing so many bytes of this cluster; waits when the cluster exceeds its share. */
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
