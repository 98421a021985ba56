import type { EpochMs } from "../clock.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import type { KeptToken, StoredToken } from "../ports/tokens.ts";
import type { ActiveToken } from "./active-token.ts";
import { printableAddress } from "./asked.ts";
import { revoke } from "./login.ts";
import type { FoundToken, TokenCache } from "./token-cache.ts";
import type { TokensDeps } from "./tokens-deps.ts";

/**
 * Failures that no retry mends: the token may not revoke itself, its namespace is gone, or its Vault may not be asked.
 * The token expires by itself.
 */
const FINAL: ReadonlySet<ErrorCode> = new Set(["VAULT_DENIED", "VAULT_PATH_MISSING", "VAULT_ADDRESS_NOT_ALLOWED"]);

/** Revokes a token at its Vault. Throws when a retry may help. */
export async function endAtVault(deps: TokensDeps, token: ActiveToken, signal: AbortSignal): Promise<void> {
  if (token.isBatch || deps.clock() >= token.endsAt) return;
  try {
    await revoke(deps.client, token.identity, token.value, signal);
  } catch (error) {
    if (!(error instanceof SyncError) || !FINAL.has(error.code)) throw error;
    const vault = printableAddress(token.identity.target.address);
    deps.log.info("vault-token-left", { vault, code: error.code, endsAt: isoTime(token.endsAt) });
  }
}

/** Revokes a token, and ignores a failure: the token expires by itself. */
export async function revokeOwn(deps: TokensDeps, token: ActiveToken, signal?: AbortSignal): Promise<boolean> {
  try {
    await endAtVault(deps, token, signal ?? AbortSignal.timeout(2 * token.identity.target.timeoutMs));
    return true;
  } catch (error) {
    if (error instanceof SyncError || signal?.aborted) return false;
    throw error;
  }
}

/** Revokes a stored token, and deletes it only afterwards, so that a crash in between loses no token. */
export async function endFound(
  deps: TokensDeps,
  cache: TokenCache,
  { stored, token }: FoundToken,
  signal: AbortSignal,
): Promise<void> {
  if (token !== undefined) await endAtVault(deps, token, signal);
  await cache.remove(stored);
}

export function keptOf({ id, scope, by, circuit }: StoredToken): KeptToken {
  return { id, scope, ...(by === undefined ? {} : { by }), circuit };
}

function isoTime(at: EpochMs): string {
  return Number.isFinite(at) ? new Date(at).toISOString() : "never";
}
