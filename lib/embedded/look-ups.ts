import type { Clock } from "../clock.ts";
import { SECOND_MS } from "../clock.ts";
import type { LookUpMessage } from "../ports/queue.ts";

/** Look-ups that wait for their time in this process. */
export interface LookUps {
  note(messages: readonly LookUpMessage[]): void;
  /** Carries out what is due, one by one; a failed one is due again. */
  runDue(work: (message: LookUpMessage) => Promise<void>): Promise<void>;
}

/** At more than this, the oldest are given up for a sweep of their Vault. */
const MOST_WAITING = 20_000;
const AGAIN_MS = 5 * SECOND_MS;

/**
 * In memory. A crash loses second looks, which only a row needs here that was read just before a change and stored just
 * after it. The next process resumes sweeps.
 */
export function lookUps(clock: Clock, most = MOST_WAITING): LookUps {
  const waiting = new Set<LookUpMessage>();
  const note = (message: LookUpMessage): void => {
    if (waiting.size >= most) giveUpOldest();
    waiting.add(message);
  };
  const giveUpOldest = (): void => {
    const vaults = new Set<string>();
    for (const message of waiting) {
      const { kind } = message.look;
      if (waiting.size + vaults.size < most / 2) break;
      if (kind === "sweep") continue;
      waiting.delete(message);
      vaults.add(message.vault);
    }
    const at = clock();
    for (const vault of vaults)
      waiting.add({ kind: "look-up", vault, look: { kind: "sweep", reason: "overflow" }, at });
  };
  return {
    note(messages) {
      for (const message of messages) note(message);
    },
    async runDue(work) {
      const now = clock();
      const failures: unknown[] = [];
      for (const message of [...waiting].filter(({ at }) => at <= now)) {
        waiting.delete(message);
        try {
          await work(message);
        } catch (error) {
          failures.push(error);
          note({ ...message, at: clock() + AGAIN_MS });
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
