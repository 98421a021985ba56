import { type EpochMs, SECOND_MS } from "../clock.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import type { SecretValue } from "../secret-value.ts";
import type { Grant } from "./login.ts";

const NEVER = Number.POSITIVE_INFINITY;
const MIN_MARGIN_MS = 5 * SECOND_MS;

export interface ActiveToken {
  readonly identity: VaultIdentity;
  readonly value: SecretValue;
  readonly obtainedAt: EpochMs;
  readonly ttlMs: number;
  /** From here on it is prolonged when it is used; never for one that can't be. */
  readonly renewAt: EpochMs;
  /** Not used from here on, a little before Vault ends it. */
  readonly staleAt: EpochMs;
  /** When Vault ends it, as far as we know. */
  readonly endsAt: EpochMs;
  /** How many requests it was good for; 0 is without end. */
  readonly uses: number;
  readonly isBatch: boolean;
}

/** Counted from when it was asked for, so that a slow answer makes it seem older, never younger. */
export function activeToken(identity: VaultIdentity, grant: Grant, askedAt: EpochMs): ActiveToken {
  const ttlMs = grant.ttlSeconds === 0 ? NEVER : grant.ttlSeconds * SECOND_MS;
  const inUseMs = Math.max(Math.min((ttlMs * 9) / 10, ttlMs - MIN_MARGIN_MS), ttlMs / 2);
  return {
    identity,
    value: grant.token,
    obtainedAt: askedAt,
    ttlMs,
    // A renewal would take one of few uses.
    renewAt: grant.renewable && grant.uses === 0 ? askedAt + (ttlMs * 2) / 3 : NEVER,
    staleAt: askedAt + inUseMs,
    endsAt: askedAt + ttlMs,
    uses: grant.uses,
    isBatch: grant.isBatch,
  };
}

/** The same token after a renewal: one that got less than before has met its maximum and is let run out. */
export function renewedToken(token: ActiveToken, grant: Grant, askedAt: EpochMs): ActiveToken {
  const next = activeToken(token.identity, { ...grant, token: token.value }, askedAt);
  const met = next.ttlMs < token.ttlMs;
  const { obtainedAt, ttlMs, isBatch } = token;
  return { ...next, obtainedAt, ttlMs, isBatch, renewAt: met ? NEVER : next.renewAt };
}

export function sameToken(a: ActiveToken, b: ActiveToken): boolean {
  return a.value.reveal().equals(b.value.reveal());
}
