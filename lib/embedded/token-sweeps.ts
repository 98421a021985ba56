import type { Clock, EpochMs } from "../clock.ts";
import type { WorkMessage } from "../reconcile/ports.ts";
import { TOKEN_SWEEP_MS } from "../schedule/looks.ts";

/** Messages that ask for tokens to be looked through, each cluster once, and the time for all of them. */
export interface TokenSweeps {
  note(messages: readonly WorkMessage[]): void;
  /** What is due by now; a sweep that fails is due again. */
  turn(sweep: (cluster: string | undefined) => Promise<void>): Promise<void>;
}

export function tokenSweeps(clock: Clock): TokenSweeps {
  const asked = new Map<string, EpochMs>();
  let allAt = clock();
  return {
    note(messages) {
      for (const { tokens, at } of messages) {
        if (tokens?.cluster === undefined) continue;
        asked.set(tokens.cluster, Math.min(at, asked.get(tokens.cluster) ?? at));
      }
    },
    async turn(sweep) {
      const now = clock();
      if (now >= allAt) {
        await sweep(undefined);
        allAt = now + TOKEN_SWEEP_MS;
      }
      for (const [cluster, at] of [...asked].filter(([, due]) => due <= now)) {
        await sweep(cluster);
        if (asked.get(cluster) === at) asked.delete(cluster);
      }
    },
  };
}
