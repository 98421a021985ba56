import { circuitOfVault } from "../circuits.ts";
import { type EpochMs, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { Log } from "../ports/telemetry.ts";
import type { StoredToken } from "../ports/tokens.ts";
import { SecretValue } from "../secret-value.ts";
import { lazySealer } from "../vault/lazy-sealer.ts";
import type { TokenCacheOptions } from "../vault/token-cache.ts";
import type { Minted } from "./mint.ts";

/** A token, as a process has it. */
export interface Held extends Minted {
  /** Of the stored copy; missing: only this process has it. */
  readonly serial?: string;
}

/** Which token processes share. */
export interface Shared {
  readonly cluster: string;
  /** Changes with everything that the token depends on: a token of other settings is none. */
  readonly settings: string;
  /** Of the Vault that mints. */
  readonly address: string;
  /** Ends the login of a token that is no longer needed. Never throws. */
  end(login: SecretValue): Promise<void>;
}

/** What is stored of a cluster's token; `held` is missing when it can't be read or is of other settings. */
export interface Stored {
  readonly token: StoredToken;
  readonly held?: Held;
}

/** The encrypted part. */
interface Plain {
  readonly token: string;
  readonly login?: string;
  readonly mintedAt: EpochMs;
  readonly endsAt: EpochMs;
}

/** The tokens beside the lease table. A failure here never costs a cluster: each process then has its own token. */
export function sealedTokens(options: TokenCacheOptions, log: Log) {
  const { store, installation } = options;
  const ready = lazySealer(options);
  const idOf = (cluster: string): string => `cluster-token/${cluster}`;
  const contextOf = ({ cluster, settings }: Shared): string =>
    JSON.stringify(["cluster-token", installation, cluster, settings]);
  const softly = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      log.warn("cluster-token-not-shared", { code: error.code, message: error.message });
      return undefined;
    }
  };
  const find = (request: Shared): Promise<Stored | undefined> =>
    softly(async () => {
      const token = await store.token("fleet", idOf(request.cluster));
      if (token === undefined) return undefined;
      const text = (await ready()).open(token.sealed, contextOf(request));
      return text === undefined ? { token } : { token, held: heldOf(text, token.serial) };
    });
  return {
    find,
    /** The token that all processes use from now on: this one, or the one that another process stored before. */
    keep: (request: Shared, minted: Minted, before: Stored | undefined): Promise<Held | undefined> =>
      softly(async () => {
        const { cluster, address } = request;
        const { text: sealed, serial } = (await ready()).seal(Buffer.from(plainOf(minted)), contextOf(request));
        const circuit = circuitOfVault(address);
        const token = { id: idOf(cluster), scope: "fleet", circuit, serial, sealed, endsAt: minted.endsAt } as const;
        if (await store.putToken(token, before?.token.serial)) {
          // Others that still have the former one find this one after a 401.
          if (before?.held?.login) await request.end(before.held.login);
          return { ...minted, serial };
        }
        const theirs = (await find(request))?.held;
        if (theirs === undefined || theirs.endsAt < minted.endsAt - MINUTE_MS) return undefined;
        if (minted.login) await request.end(minted.login);
        return theirs;
      }),
  };
}

function plainOf({ token, login, mintedAt, endsAt }: Minted): string {
  const text = (value: SecretValue): string => value.reveal().toString("utf8");
  const plain: Plain = { token: text(token), ...(login && { login: text(login) }), mintedAt, endsAt };
  return JSON.stringify(plain);
}

/** Not validated: nobody else has the key. */
function heldOf(text: Buffer, serial: string): Held {
  const { token, login, ...times } = JSON.parse(text.toString("utf8")) as Plain;
  return {
    ...times,
    token: SecretValue.of(token),
    ...(login !== undefined && { login: SecretValue.of(login) }),
    serial,
  };
}
