import type { EpochMs } from "../clock.ts";
import { type ErrorCode, SyncError } from "../errors.ts";
import type { KeptToken, StoredToken } from "../ports/tokens.ts";
import type { ActiveToken } from "./active-token.ts";
import { printableAddress } from "./asked.ts";
import { revoke } from "./login.ts";
import type { FoundToken, TokenCache } from "./token-cache.ts";
import type { TokensDeps } from "./tokens-deps.ts";

/** After these, asking again is no help: the token may not end itself, its namespace has gone, or its Vault may not be asked. It runs out. */
const FINAL: ReadonlySet<ErrorCode> = new Set(["VAULT_DENIED", "VAULT_PATH_MISSING", "VAULT_ADDRESS_NOT_ALLOWED"]);

/** Ends a token at its Vault. Throws when another try may do better. */
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

/** The same, when nothing more can be done about a failure: it ends by itself. */
export async function revokeOwn(deps: TokensDeps, token: ActiveToken, signal?: AbortSignal): Promise<boolean> {
  try {
    await endAtVault(deps, token, signal ?? AbortSignal.timeout(2 * token.identity.target.timeoutMs));
    return true;
  } catch (error) {
    if (error instanceof SyncError || signal?.aborted) return false;
    throw error;
  }
}

/** Ends what is kept: forgotten only when it has ended, so that a crash between the two loses no token. */
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
