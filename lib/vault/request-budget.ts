import { type Clock, type EpochMs, SECOND_MS } from "../clock.ts";
import { fairLine, turnIn } from "../util/fair-line.ts";
import type { VaultBudget } from "../vault-budget.ts";

/** A request that would wait longer is refused instead: its row waits, not a worker. */
const PATIENCE_MS = 8 * SECOND_MS;
/** Requests of one second may come at once. */
const BURST_MS = SECOND_MS;
/** Requests that do not wait may spend so much of the future. */
const MAX_DEBT_MS = 10 * SECOND_MS;

/** Spends the budget of one Vault: clusters alternate, and so do the namespaces of a cluster. */
export interface RequestBudget {
  /** Resolves when the request may be sent. `place` is `<cluster>/<namespace>`. Throws the signal's reason. */
  take(place: string, budget: VaultBudget, refused: (afterMs: number) => Error, signal: AbortSignal): Promise<void>;
  /** Counts a request that does not wait; others wait longer for it. */
  charge(budget: VaultBudget): void;
}

export function requestBudget(clock: Clock): RequestBudget {
  const line = fairLine<() => void>();
  /** Until when the budget is spent, if nothing more is sent: the level of a leaky bucket, as a time. */
  let spentUntil: EpochMs = 0;
  let costMs = SECOND_MS;
  let timer: NodeJS.Timeout | undefined;

  const useBudget = ({ perSecond }: VaultBudget): void => {
    costMs = SECOND_MS / perSecond;
  };
  /** More was never spent of the future: where it seems so, the clock stepped back. */
  const mostAt = (now: EpochMs): EpochMs => now + Math.max(MAX_DEBT_MS, costMs);
  const spend = (now: EpochMs): void => {
    spentUntil = Math.min(Math.max(spentUntil, now) + costMs, mostAt(now));
  };
  /** In how many ms the next request may be sent. */
  const openIn = (now: EpochMs): number => {
    spentUntil = Math.min(spentUntil, mostAt(now));
    return Math.max(0, Math.ceil(spentUntil - Math.max(0, BURST_MS - costMs) - now));
  };

  const pump = (): void => {
    clearTimeout(timer);
    const now = clock();
    while (line.size > 0 && openIn(now) === 0) {
      spend(now);
      line.next()?.();
    }
    timer = line.size > 0 ? setTimeout(pump, Math.max(1, openIn(now))) : undefined;
  };

  return {
    async take(place, budget, refused, signal) {
      signal.throwIfAborted();
      useBudget(budget);
      const now = clock();
      const [cluster = "", namespace = ""] = place.split("/");
      const afterMs = openIn(now) + line.ahead(cluster, namespace) * costMs;
      if (afterMs > PATIENCE_MS) throw refused(afterMs);
      const turn = turnIn(line, place, signal);
      pump();
      await turn;
    },
    charge(budget) {
      useBudget(budget);
      spend(clock());
    },
  };
}
