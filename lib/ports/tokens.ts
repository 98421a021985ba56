import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { TokenScope } from "../token-scope.ts";

export type { TokenScope } from "../token-scope.ts";

/**
 * A shared Vault token for other processes: encrypted, with what the store must know. Tokens of issues are in their
 * rows and never here, so that revoking shared tokens can't revoke them.
 */
export interface StoredToken {
  /** Of its identity. */
  readonly id: string;
  readonly scope: TokenScope;
  /** A sync for which it was obtained; missing for the fleet's. */
  readonly by?: SyncKey;
  /** Id of the circuit of its Vault. */
  readonly circuit: string;
  /** Changes with each login and renewal; not secret. */
  readonly serial: string;
  readonly sealed: string;
  /** When it expires in Vault: the store may then delete it. */
  readonly endsAt: EpochMs;
}

/** Tokens beside the lease table: one for each identity. */
export interface TokenStore {
  token(scope: TokenScope, id: string): Promise<StoredToken | undefined>;
  /** Those of one scope, or all; may include expired ones. */
  tokens(scope?: TokenScope): Promise<readonly StoredToken[]>;
  /** False when another token than `replacing` is stored: the first writer wins. */
  putToken(token: StoredToken, replacing: string | undefined): Promise<boolean>;
  /** False when it is absent or was replaced. */
  removeToken(token: Pick<StoredToken, "id" | "scope" | "serial">): Promise<boolean>;
}

/** Identifies a token that may be valid in Vault, without the token itself. */
export type KeptToken = Pick<StoredToken, "id" | "scope" | "by" | "circuit">;

/** Handles tokens whose purpose is gone, or that may have ended. */
export interface TokenKeeper {
  /**
   * A change in Vault may have ended this process's tokens of these logins: each is asked about itself before its next
   * use. `mount`: namespace, `auth` and mount joined; missing: every login.
   */
  doubt(login: { readonly isOf: (address: string) => boolean; readonly mount?: string | undefined }): void;
  /** Those of one scope, or all: stored for other processes, or only in this process. */
  kept(scope?: TokenScope): Promise<readonly KeptToken[]>;
  /** Assigns it to another sync of the same cluster. */
  keepFor(token: KeptToken, by: SyncKey): Promise<void>;
  /** Revokes it, then deletes it: throws, and deletes nothing, when Vault does not answer. */
  end(token: KeptToken, signal: AbortSignal): Promise<void>;
}
