import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";

/** A Vault token as it is kept for other processes: encrypted, with what the store has to know of it. */
export interface StoredToken {
  /** Of its identity. */
  readonly id: string;
  /** A sync that it was obtained for; its cluster is part of where the token stands. */
  readonly by: SyncKey;
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
  token(cluster: string, id: string): Promise<StoredToken | undefined>;
  /** Those of one cluster, or all; those that have ended may be among them. */
  tokens(cluster?: string): Promise<readonly StoredToken[]>;
  /** False when another token than `replacing` stands there: whoever was first has it. */
  putToken(token: StoredToken, replacing: string | undefined): Promise<boolean>;
  /** False when it is absent, or another one took its place. */
  removeToken(token: Pick<StoredToken, "id" | "by" | "serial">): Promise<boolean>;
}

/** A token of which a Vault end knows, without the token. */
export interface KeptToken {
  readonly id: string;
  readonly by: SyncKey;
  readonly circuit: string;
}

/** What becomes of tokens when what they were obtained for has gone. */
export interface TokenKeeper {
  /** Those of one cluster, or all: what is kept for other processes, and what this process alone holds. */
  kept(cluster?: string): Promise<readonly KeptToken[]>;
  /** From now on it stands for another sync of the same cluster. */
  keepFor(token: KeptToken, by: SyncKey): Promise<void>;
  /** Ends it at its Vault, then forgets it: throws, and forgets nothing, when Vault did not answer. */
  end(token: KeptToken, signal: AbortSignal): Promise<void>;
}
