import type { Clock, EpochMs } from "../clock.ts";
import type { TokenSweepMessage } from "../ports/queue.ts";
import { TOKEN_SWEEP_MS } from "../schedule/passes-due.ts";

/** Collects requests for token sweeps, each cluster once, and the time of the full sweep. */
export interface TokenSweeps {
  note(messages: readonly TokenSweepMessage[]): void;
  /** Runs the sweeps that are due; a failed one is due again. */
  sweepDue(sweep: (cluster: string | undefined) => Promise<void>): Promise<void>;
}

export function tokenSweeps(clock: Clock): TokenSweeps {
  const asked = new Map<string, EpochMs>();
  let allAt = clock();
  const ask = (cluster: string, at: EpochMs): void => {
    asked.set(cluster, Math.min(at, asked.get(cluster) ?? at));
  };
  /** No sweep is asked for longer ahead than the next full one: such a time was set before the clock stepped back. */
  const isDue = (at: EpochMs, now: EpochMs): boolean => at <= now || at > now + TOKEN_SWEEP_MS;
  return {
    note(messages) {
      for (const { cluster, at } of messages) {
        if (cluster === undefined) allAt = Math.min(allAt, at);
        else ask(cluster, at);
      }
    },
    async sweepDue(sweep) {
      const now = clock();
      const failures: unknown[] = [];
      // A failed sweep does not stop the others.
      const tried = (cluster: string | undefined, again: () => void) =>
        sweep(cluster).catch((error: unknown) => {
          failures.push(error);
          again();
        });
      if (isDue(allAt, now)) {
        allAt = now + TOKEN_SWEEP_MS;
        await tried(undefined, () => {
          allAt = now;
        });
      }
      for (const [cluster, at] of [...asked].filter(([, due]) => isDue(due, now))) {
        // Removed first, so that a change during the sweep requests another one.
        asked.delete(cluster);
        await tried(cluster, () => ask(cluster, at));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
