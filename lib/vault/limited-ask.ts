import { type Clock, SECOND_MS } from "../clock.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { type Throttled, throttle } from "../throttle.ts";
import { normalAddress } from "../vault-address.ts";
import type { BudgetOf } from "../vault-budget.ts";
import type { VaultAnswer } from "./answer.ts";
import type { Asked } from "./asked.ts";
import { type RequestBudget, requestBudget } from "./request-budget.ts";
import { limitedError, overBudget } from "./vault-errors.ts";

/** How long one request may wait for the end of a pause. */
const PATIENCE_MS = 2 * SECOND_MS;
const MAX_WAITING = 256;
/** Mounts with a pause, and budgets, in memory. */
const MAX_KEPT = 1_000;

/** These must not wait behind reads: a credential that is not renewed ends. */
const AHEAD: ReadonlySet<Asked["purpose"]> = new Set(["lease", "token"]);
/** They ask for the seal status, which has no rate limit; a standby may answer with 429. */
const UNLIMITED: ReadonlySet<Asked["purpose"]> = new Set(["probe", "seal-status"]);

/** Sends a request when neither a pause that Vault asked for nor the Vault's budget in fleet.yaml holds it back. */
export type LimitedAsk = (
  target: VaultTarget,
  asked: Asked,
  send: () => Promise<VaultAnswer>,
  signal: AbortSignal,
) => Promise<VaultAnswer>;

export function limitedAsk(clock: Clock, budgetOf: BudgetOf = () => undefined): LimitedAsk {
  const pauses = throttle({ clock, patienceMs: PATIENCE_MS, maxWaiting: MAX_WAITING, maxKept: MAX_KEPT });
  const budgets = new Map<string, RequestBudget>();
  const spend = async (target: VaultTarget, asked: Asked, signal: AbortSignal): Promise<void> => {
    const budget = budgetOf(normalAddress(target.address));
    if (budget === undefined) return;
    const spent = budgets.get(budget.name) ?? requestBudget(clock);
    budgets.set(budget.name, spent);
    if (AHEAD.has(asked.purpose)) return spent.charge(budget);
    const refused = (afterMs: number): Error => overBudget(asked, budget.name, afterMs);
    await spent.take(target.place ?? "", budget, refused, signal);
  };
  return async (target, asked, send, signal) => {
    if (UNLIMITED.has(asked.purpose)) return send();
    const request: Throttled<VaultAnswer> = {
      async send() {
        await spend(target, asked, signal);
        return send();
      },
      repeatable: asked.repeatable,
      pauseOf: ({ status, retryAfterMs }) => (status === 429 ? (retryAfterMs ?? 0) : undefined),
      paused: (answer, retryAfterMs) => ({ ...answer, retryAfterMs }),
      refused: (leftMs) => limitedError(asked, leftMs),
    };
    return pauses.run(limitOf(asked), request, signal);
  };
}

/**
 * What a rate limit may hold for, as far as an answer tells: a mount in a Vault namespace. A quota of one mount or
 * tenant must not stop the others; one of the whole Vault is met once for each mount.
 */
function limitOf({ circuit, namespace = "", path }: Asked): string {
  const [first = "", second = ""] = path.split("/");
  return [circuit, namespace, first === "auth" ? `auth/${second}` : first].join(" ");
}
