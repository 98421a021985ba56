import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import type { ActiveToken } from "./active-token.ts";
import { isRefusedToItself, type LoginDeps } from "./login.ts";
import { singleFlight } from "./single-flight.ts";
import type { Entry } from "./token-entries.ts";

/**
 * Logins whose rights change all the time, such as those whose secret ids a program makes, must not double the requests.
 * A token that ends in this time is replaced when Vault refuses it.
 */
const PROVEN_MS = 10 * SECOND_MS;
/** How long we remember that an identity's tokens may not look themselves up. */
const BLIND_MS = 10 * MINUTE_MS;

/**
 * Tells an ended token from one whose policies deny a read: some servers answer both with the same 403. A live token
 * may look itself up, by the default policy, unless its role omits that. If the role does, a new login is tried at most
 * once per interval.
 */
export interface TokenDoubts {
  /** `isSecond`: the token has just replaced another one because of the same doubt. */
  hasEnded(identity: VaultIdentity, token: ActiveToken, isSecond: boolean, signal: AbortSignal): Promise<boolean>;
  /** Whether a token that an event made doubtful may not look itself up. Without an answer, its next request tells. */
  hasFailedProof(entry: Entry, signal: AbortSignal): Promise<boolean>;
}

export function tokenDoubts({ client, clock }: Pick<LoginDeps, "client" | "clock">): TokenDoubts {
  const blindUntil = new Map<string, EpochMs>();
  const flights = singleFlight<boolean>();
  return {
    async hasFailedProof(entry, signal) {
      if (clock() - entry.provenAt < PROVEN_MS) return false;
      const { identity, value, obtainedAt } = entry.token;
      const work = (shared: AbortSignal) => isRefusedToItself(client, identity, value, shared);
      try {
        entry.usesLeft -= 1;
        const hasFailed = await flights.run(`${identity.id} ${obtainedAt}`, work, signal);
        entry.isDoubted = false;
        entry.provenAt = clock();
        return hasFailed;
      } catch (error) {
        if (!(error instanceof SyncError)) throw error;
        return false;
      }
    },
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
