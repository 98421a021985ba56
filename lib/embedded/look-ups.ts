import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { KeptLookUps, LookUpMessage } from "../ports/queue.ts";

/** Look-ups that wait for their time in this process. */
export interface LookUps {
  /** Resolves when they are stored for the next process, as far as it needs them. */
  note(messages: readonly LookUpMessage[]): Promise<void>;
  /** Goes on with those of the last process. */
  resume(): Promise<void>;
  /** Carries out what is due, one by one; a failed one is due again. */
  runDue(work: (message: LookUpMessage) => Promise<void>): Promise<void>;
}

export interface LookUpsOptions {
  readonly clock: Clock;
  /** Asks for a sweep of a Vault, in place of look-ups that are given up. */
  readonly sweep: (vault: string) => Promise<void>;
  /** Missing: they end with this process. */
  readonly kept?: KeptLookUps | undefined;
  readonly most?: number;
}

/** At more than this, the oldest are given up for a sweep of their Vault. */
const MOST_WAITING = 20_000;
const AGAIN_MS = 5 * SECOND_MS;
/** No look-up is asked for so long ahead: such a time was set before the clock stepped back. */
const TOO_FAR_MS = 20 * MINUTE_MS;

function isDue({ at }: LookUpMessage, now: EpochMs): boolean {
  return at <= now || at > now + TOO_FAR_MS;
}

/** Sweeps and their parts are not stored: the next process begins these anew (lib/nudging/sweep.ts). */
const isKept = ({ look }: LookUpMessage): boolean => look.kind === "places" || look.kind === "denied";

/** In memory, in the order in which they came, with the id under which each is stored. */
export function lookUps({ clock, sweep, kept, most = MOST_WAITING }: LookUpsOptions): LookUps {
  const waiting = new Map<LookUpMessage, number | undefined>();
  const forget = async (ids: readonly (number | undefined)[]): Promise<void> => {
    const stored = ids.filter((id) => id !== undefined);
    if (stored.length > 0) await kept?.forgetLookUps(stored);
  };
  const giveUpOldest = async (): Promise<void> => {
    const given = new Map<LookUpMessage, number | undefined>();
    for (const [message, id] of waiting) {
      if (waiting.size < most / 2) break;
      if (message.look.kind === "sweep") continue;
      waiting.delete(message);
      given.set(message, id);
    }
    try {
      // First: a crash in between leaves the look-ups.
      for (const vault of new Set([...given.keys()].map((message) => message.vault))) await sweep(vault);
    } catch (error) {
      // No sweep looks at their rows instead.
      for (const [message, id] of given) waiting.set(message, id);
      throw error;
    }
    await forget([...given.values()]);
  };
  return {
    async note(messages) {
      const toKeep = kept === undefined ? [] : messages.filter(isKept);
      const ids = toKeep.length === 0 ? [] : ((await kept?.keepLookUps(toKeep)) ?? []);
      const idOf = new Map(toKeep.map((message, at) => [message, ids[at]]));
      for (const message of messages) waiting.set(message, idOf.get(message));
      if (waiting.size > most) await giveUpOldest();
    },
    async resume() {
      const found = (await kept?.lookUps(most)) ?? [];
      // Inlets may have started before, and noted some.
      const known = new Set(waiting.values());
      for (const { id, message } of found) if (message !== undefined && !known.has(id)) waiting.set(message, id);
      await forget(found.filter(({ message }) => message === undefined).map(({ id }) => id));
    },
    async runDue(work) {
      const now = clock();
      const failures: unknown[] = [];
      const done: (number | undefined)[] = [];
      for (const [message, id] of [...waiting].filter(([message]) => isDue(message, now))) {
        waiting.delete(message);
        try {
          await work(message);
          done.push(id);
        } catch (error) {
          failures.push(error);
          waiting.set({ ...message, at: clock() + AGAIN_MS }, id);
        }
      }
      await forget(done);
      if (failures.length > 0) throw failures[0];
    },
  };
}
