import { type EpochMs, MINUTE_MS } from "../clock.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import type { ActiveToken } from "./active-token.ts";
import { isRefusedToItself, type LoginDeps } from "./login.ts";
import { singleFlight } from "./single-flight.ts";

/** How long an identity is known for tokens that may not look themselves up. */
const BLIND_MS = 10 * MINUTE_MS;

/**
 * Tells a token that has ended from one whose policies refuse a read: some servers answer both with the same 403. A token that
 * lives may look itself up, by the policy that every token has unless its role leaves it out. If it does, a new login is
 * tried once in a while, and no more often.
 */
export interface TokenDoubts {
  /** `isSecond`: it has just been obtained in place of another one, by the same doubt. */
  hasEnded(identity: VaultIdentity, token: ActiveToken, isSecond: boolean, signal: AbortSignal): Promise<boolean>;
}

export function tokenDoubts({ client, clock }: Pick<LoginDeps, "client" | "clock">): TokenDoubts {
  const blindUntil = new Map<string, EpochMs>();
  const flights = singleFlight<boolean>();
  return {
    async hasEnded(identity, token, isSecond, signal) {
      const now = clock();
      for (const [id, until] of blindUntil) if (until <= now) blindUntil.delete(id);
      if (blindUntil.has(identity.id)) return false;
      const work = (shared: AbortSignal) => isRefusedToItself(client, identity, token.value, shared);
      const isRefused = await flights.run(`${identity.id} ${token.obtainedAt}`, work, signal);
      if (isRefused && isSecond) blindUntil.set(identity.id, now + BLIND_MS);
      return isRefused && !isSecond;
    },
  };
}
