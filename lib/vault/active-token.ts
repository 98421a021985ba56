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
  /** The next use after this time renews the token; NEVER for a token that can't be renewed. */
  readonly renewAt: EpochMs;
  /** The token is not used after this time, a little before Vault ends it. */
  readonly staleAt: EpochMs;
  /** When Vault ends the token, as far as we know. */
  readonly endsAt: EpochMs;
  /** How many requests the token may serve; 0: unlimited. */
  readonly uses: number;
  readonly isBatch: boolean;
  /** A node that lags behind this state does not know the token yet. */
  readonly index?: string;
}

/** Times count from the request, so that a slow answer makes the token seem older, never younger. */
export function activeToken(identity: VaultIdentity, grant: Grant, askedAt: EpochMs): ActiveToken {
  const ttlMs = grant.ttlSeconds === 0 ? NEVER : grant.ttlSeconds * SECOND_MS;
  const inUseMs = Math.max(Math.min((ttlMs * 9) / 10, ttlMs - MIN_MARGIN_MS), ttlMs / 2);
  return {
    identity,
    value: grant.token,
    obtainedAt: askedAt,
    ttlMs,
    // Each renewal would cost one of the few uses.
    renewAt: grant.renewable && grant.uses === 0 ? askedAt + (ttlMs * 2) / 3 : NEVER,
    staleAt: askedAt + inUseMs,
    endsAt: askedAt + ttlMs,
    uses: grant.uses,
    isBatch: grant.isBatch,
    ...(grant.index === undefined ? {} : { index: grant.index }),
  };
}

/** The same token after a renewal. A shorter TTL means that the token met its maximum: it is not renewed again. */
export function renewedToken(token: ActiveToken, grant: Grant, askedAt: EpochMs): ActiveToken {
  const next = activeToken(token.identity, { ...grant, token: token.value }, askedAt);
  const met = next.ttlMs < token.ttlMs;
  const { obtainedAt, ttlMs, isBatch, index: known } = token;
  const index = next.index ?? known;
  return {
    ...{ ...next, obtainedAt, ttlMs, isBatch, renewAt: met ? NEVER : next.renewAt },
    ...(index === undefined ? {} : { index }),
  };
}

export function sameToken(a: ActiveToken, b: ActiveToken): boolean {
  return a.value.reveal().equals(b.value.reveal());
}
