import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { TokenScope } from "../token-scope.ts";

export type { TokenScope } from "../token-scope.ts";

/**
 * A shared Vault token as it is kept for other processes: encrypted, with what the store has to know of it. The tokens of issues
 * never stand here (they are their rows'), so that nothing that ends shared tokens can end them.
 */
export interface StoredToken {
  /** Of its identity. */
  readonly id: string;
  readonly scope: TokenScope;
  /** A sync that it was obtained for; missing for the fleet's. */
  readonly by?: SyncKey;
  /** Id of the circuit of its Vault. */
  readonly circuit: string;
  /** Another one with each login and renewal; not secret. */
  readonly serial: string;
  readonly sealed: string;
  /** When Vault ends it: the store may forget it from then on. */
  readonly endsAt: EpochMs;
}

/** Tokens beside the lease table: one for each identity. */
export interface TokenStore {
  token(scope: TokenScope, id: string): Promise<StoredToken | undefined>;
  /** Those of one scope, or all; those that have ended may be among them. */
  tokens(scope?: TokenScope): Promise<readonly StoredToken[]>;
  /** False when another token than `replacing` stands there: whoever was first has it. */
  putToken(token: StoredToken, replacing: string | undefined): Promise<boolean>;
  /** False when it is absent, or another one took its place. */
  removeToken(token: Pick<StoredToken, "id" | "scope" | "serial">): Promise<boolean>;
}

/** A token of which a Vault end knows, without the token. */
export type KeptToken = Pick<StoredToken, "id" | "scope" | "by" | "circuit">;

/** What becomes of tokens when what they were obtained for has gone. */
export interface TokenKeeper {
  /** Those of one scope, or all: what is kept for other processes, and what this process alone holds. */
  kept(scope?: TokenScope): Promise<readonly KeptToken[]>;
  /** From now on it stands for another sync of the same cluster. */
  keepFor(token: KeptToken, by: SyncKey): Promise<void>;
  /** Ends it at its Vault, then forgets it: throws, and forgets nothing, when Vault did not answer. */
  end(token: KeptToken, signal: AbortSignal): Promise<void>;
}
