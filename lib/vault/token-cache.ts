import { circuitOfVault } from "../circuits.ts";
import type { Clock, EpochMs } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { Log } from "../ports/telemetry.ts";
import type { StoredToken, TokenStore } from "../ports/tokens.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import { SecretValue } from "../secret-value.ts";
import { scopeOfSync, type TokenScope } from "../token-scope.ts";
import type { ActiveToken } from "./active-token.ts";
import { lazySealer, type SealingOptions } from "./lazy-sealer.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** In characters. A CA bundle can have any size, but items of a store can't. */
const MAX_SEALED = 256 * 1024;

export interface TokenCacheOptions extends SealingOptions {
  readonly store: TokenStore;
}

/** A stored token. Without `token` it can't be read: it has another key, or is damaged. */
export interface FoundToken {
  readonly stored: StoredToken;
  readonly token?: ActiveToken;
}

/**
 * Tokens of other processes, and of this one for later processes. A failure here never fails a sync: each process then
 * logs in by itself.
 */
export interface TokenCache {
  find(at: Pick<StoredToken, "id" | "scope">, identity?: VaultIdentity): Promise<FoundToken | undefined>;
  /**
   * Stores the token in place of `replacing`; `taken` when another process was first, undefined when it can't be
   * stored.
   */
  keep(token: ActiveToken, by: SyncKey, replacing: string | undefined): Promise<StoredToken | "taken" | undefined>;
  /** Throws when the store does; the other methods don't. */
  all(scope?: TokenScope): Promise<readonly FoundToken[]>;
  keepFor(stored: StoredToken, by: SyncKey): Promise<void>;
  remove(stored: StoredToken): Promise<void>;
}

export function tokenCache(
  options: TokenCacheOptions,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): TokenCache {
  const { store } = options;
  const box = sealing(options);
  let isTold = false;
  const opened = async (stored: StoredToken, identity?: VaultIdentity): Promise<FoundToken> => {
    const text = await box.open(stored);
    if (text !== undefined) return { stored, token: tokenOf(text, identity) };
    if (!isTold) log.warn("vault-tokens-unreadable", { because: "they were encrypted with another key" });
    isTold = true;
    return { stored };
  };
  const softly = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      log.warn("vault-token-cache-failed", { code: error.code, message: error.message });
      return undefined;
    }
  };
  return {
    find: ({ id, scope }, identity) =>
      softly(async () => {
        const stored = await store.token(scope, id);
        return stored && opened(stored, identity);
      }),
    keep: (token, by, replacing) =>
      softly(async () => {
        if (!isKeepable(token, clock())) return undefined;
        const { id, target } = token.identity;
        const sealed = await box.seal(token);
        if (sealed.text.length > MAX_SEALED) return undefined;
        const stored: StoredToken = {
          ...{ id, scope: scopeOfSync(by), by },
          circuit: circuitOfVault(target.address),
          serial: sealed.serial,
          sealed: sealed.text,
          endsAt: token.endsAt,
        };
        return (await store.putToken(stored, replacing)) ? stored : "taken";
      }),
    // What has no sync is a cluster's, and is neither read nor ended here.
    all: async (scope) => {
      const ofSyncs = (await store.tokens(scope)).filter(({ by }) => by !== undefined);
      return Promise.all(ofSyncs.map((stored) => opened(stored)));
    },
    keepFor: async (stored, by) => void (await store.putToken({ ...stored, by }, stored.serial)),
    remove: async (stored) => void (await store.removeToken(stored)),
  };
}

/** A token without an end would never be deleted, and uses can't be counted across processes. */
function isKeepable(token: ActiveToken, now: EpochMs): boolean {
  return token.endsAt !== NEVER && token.uses === 0 && now < token.staleAt;
}

function sealing(options: TokenCacheOptions) {
  const ready = lazySealer(options);
  const contextOf = (id: string): string => JSON.stringify(["vault-token", options.installation, id]);
  return {
    seal: async (token: ActiveToken) =>
      (await ready()).seal(Buffer.from(JSON.stringify(plainOf(token))), contextOf(token.identity.id)),
    open: async ({ sealed, id }: StoredToken) => (await ready()).open(sealed, contextOf(id)),
  };
}

/** The encrypted part: the token, and how to reach its Vault after its declarations are gone. */
interface Plain {
  readonly token: string;
  readonly identity: VaultIdentity;
  readonly obtainedAt: EpochMs;
  readonly ttlMs: number;
  /** Missing: the token can't be renewed. */
  readonly renewAt?: EpochMs;
  readonly staleAt: EpochMs;
  readonly endsAt: EpochMs;
  readonly isBatch: boolean;
}

function plainOf({ value, uses: _none, renewAt, ...token }: ActiveToken): Plain {
  return { ...token, token: value.reveal().toString("utf8"), ...(renewAt === NEVER ? {} : { renewAt }) };
}

/** Not validated: nobody else has the key. */
function tokenOf(text: Buffer, identity?: VaultIdentity): ActiveToken {
  const { token, renewAt = NEVER, ...plain } = JSON.parse(text.toString("utf8")) as Plain;
  return { ...plain, identity: identity ?? plain.identity, value: SecretValue.of(token), renewAt, uses: 0 };
}
