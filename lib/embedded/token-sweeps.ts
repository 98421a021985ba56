import type { Clock, EpochMs } from "../clock.ts";
import type { TokenSweepMessage } from "../ports/queue.ts";
import { TOKEN_SWEEP_MS } from "../schedule/passes-due.ts";

/** Messages that ask for tokens to be looked through, each cluster once, and the time for all of them. */
export interface TokenSweeps {
  note(messages: readonly TokenSweepMessage[]): void;
  /** What is due by now; a sweep that fails is due again. */
  sweepDue(sweep: (cluster: string | undefined) => Promise<void>): Promise<void>;
}

export function tokenSweeps(clock: Clock): TokenSweeps {
  const asked = new Map<string, EpochMs>();
  let allAt = clock();
  const ask = (cluster: string, at: EpochMs): void => {
    asked.set(cluster, Math.min(at, asked.get(cluster) ?? at));
  };
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
      // One that fails keeps no other back.
      const tried = (cluster: string | undefined, again: () => void) =>
        sweep(cluster).catch((error: unknown) => {
          failures.push(error);
          again();
        });
      if (now >= allAt) {
        allAt = now + TOKEN_SWEEP_MS;
        await tried(undefined, () => {
          allAt = now;
        });
      }
      for (const [cluster, at] of [...asked].filter(([, due]) => due <= now)) {
        // Before it begins: what changes meanwhile asks for another one.
        asked.delete(cluster);
        await tried(cluster, () => ask(cluster, at));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
