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
import { type Sealer, sealer } from "./sealer.ts";

const NEVER = Number.POSITIVE_INFINITY;
/** A connection may name a CA bundle of any size; a store takes no item of any size. In characters. */
const MAX_SEALED = 256 * 1024;

export interface TokenCacheOptions {
  readonly store: TokenStore;
  /** The key that tokens are encrypted with, 32 bytes. Asked for when the first token is read or written. */
  readonly key: () => Promise<Buffer>;
  /** Whose tokens they are: those of another installation can't be read. */
  readonly installation: string;
  readonly randomBytes: (count: number) => Buffer;
}

/** A token as it was found. Without `token` it can't be read: another key, or damaged. */
export interface FoundToken {
  readonly stored: StoredToken;
  readonly token?: ActiveToken;
}

/**
 * Tokens of other processes, and of this one for those to come. What it can't do is no failure of a sync: then each process
 * logs in for itself.
 */
export interface TokenCache {
  find(at: Pick<StoredToken, "id" | "scope">, identity?: VaultIdentity): Promise<FoundToken | undefined>;
  /** Written in place of `replacing`, or `taken` when another process was first; undefined when it can't be kept. */
  keep(token: ActiveToken, by: SyncKey, replacing: string | undefined): Promise<StoredToken | "taken" | undefined>;
  /** Throws when the store does, unlike the others. */
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
    all: async (scope) => Promise.all((await store.tokens(scope)).map((stored) => opened(stored))),
    keepFor: async (stored, by) => void (await store.putToken({ ...stored, by }, stored.serial)),
    remove: async (stored) => void (await store.removeToken(stored)),
  };
}

/** One without an end would never be forgotten, and uses can't be counted across processes. */
function isKeepable(token: ActiveToken, now: EpochMs): boolean {
  return token.endsAt !== NEVER && token.uses === 0 && now < token.staleAt;
}

function sealing({ key, installation, randomBytes }: TokenCacheOptions) {
  let made: Promise<Sealer> | undefined;
  // A key that could not be had is asked for again with the next token.
  const ready = (): Promise<Sealer> => {
    made ??= key().then(
      (bytes) => sealer(bytes, randomBytes),
      (error: unknown) => {
        made = undefined;
        throw error;
      },
    );
    return made;
  };
  const contextOf = (id: string): string => JSON.stringify(["vault-token", installation, id]);
  return {
    seal: async (token: ActiveToken) =>
      (await ready()).seal(Buffer.from(JSON.stringify(plainOf(token))), contextOf(token.identity.id)),
    open: async ({ sealed, id }: StoredToken) => (await ready()).open(sealed, contextOf(id)),
  };
}

/** What is encrypted: the token, and how to reach its Vault when nothing declares that any more. */
interface Plain {
  readonly token: string;
  readonly identity: VaultIdentity;
  readonly obtainedAt: EpochMs;
  readonly ttlMs: number;
  /** Missing: it can't be prolonged. */
  readonly renewAt?: EpochMs;
  readonly staleAt: EpochMs;
  readonly endsAt: EpochMs;
  readonly isBatch: boolean;
}

function plainOf({ value, uses: _none, renewAt, ...token }: ActiveToken): Plain {
  return { ...token, token: value.reveal().toString("utf8"), ...(renewAt === NEVER ? {} : { renewAt }) };
}

/** Believed: nobody else has the key. */
function tokenOf(text: Buffer, identity?: VaultIdentity): ActiveToken {
  const { token, renewAt = NEVER, ...plain } = JSON.parse(text.toString("utf8")) as Plain;
  return { ...plain, identity: identity ?? plain.identity, value: SecretValue.of(token), renewAt, uses: 0 };
}
