import { circuitOfVault } from "../circuits.ts";
import { type EpochMs, MINUTE_MS } from "../clock.ts";
import type { Log } from "../ports/telemetry.ts";
import type { StoredToken } from "../ports/tokens.ts";
import { SecretValue } from "../secret-value.ts";
import { lazySealer } from "../vault/lazy-sealer.ts";
import type { TokenCacheOptions } from "../vault/token-cache.ts";
import type { Minted } from "./mint.ts";
import { softly } from "./softly.ts";

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
  /** Of the Vault that mints: its name in fleet.yaml. */
  readonly vault: string;
  readonly address: string;
  /** Ends the login of a token that is no longer needed. Never throws. */
  end(login: SecretValue): Promise<unknown>;
}

/** A login to end, and the Vault that gave it: its name in fleet.yaml, and the id of its circuit. */
export interface FormerLogin {
  readonly vault: string;
  readonly circuit: string;
  readonly login: SecretValue;
}

/** What is stored of a cluster's token; nothing but `token` when it can't be read or is of another Vault. */
export interface Stored {
  readonly token: StoredToken;
  /** Of these settings. */
  readonly held?: Held;
  /** Of other settings: not to be used. */
  readonly former?: Held;
}

/** The encrypted part. */
interface Plain {
  readonly token: string;
  readonly login?: string;
  readonly mintedAt: EpochMs;
  readonly endsAt: EpochMs;
  readonly settings: string;
  readonly vault: string;
}

const ID = "cluster-token/";

/**
 * While processes read a new fleet.yaml, some still have the former one: these must not end the login of the new
 * settings.
 */
const SETTLED_MS = MINUTE_MS;

/** The tokens beside the lease table. A failure here never costs a cluster: each process then has its own token. */
export function sealedTokens(options: TokenCacheOptions, log: Log) {
  const { store, installation } = options;
  const ready = lazySealer(options);
  const idOf = (cluster: string): string => `${ID}${cluster}`;
  const opened = async ({ id, sealed }: StoredToken): Promise<Plain | undefined> => {
    const text = (await ready()).open(sealed, contextOf(id));
    // Not validated: nobody else has the key.
    return text && (JSON.parse(text.toString("utf8")) as Plain);
  };
  const contextOf = (id: string): string => JSON.stringify([installation, id]);
  const orNothing = softly(log, "cluster-token-not-shared");
  const find = (request: Shared): Promise<Stored | undefined> =>
    orNothing(async () => {
      const token = await store.token("fleet", idOf(request.cluster));
      if (token === undefined) return undefined;
      const plain = await opened(token);
      if (plain === undefined) return { token };
      const held = heldOf(plain, token.serial);
      if (plain.settings === request.settings) return { token, held };
      const isOfVault = plain.vault === request.vault && token.circuit === circuitOfVault(request.address);
      return isOfVault ? { token, former: held } : { token };
    });
  /** False: Vault did not end its login, and may do so later. */
  const isEnded = async (token: StoredToken, end: (login: FormerLogin) => Promise<boolean>): Promise<boolean> => {
    const plain = await opened(token);
    if (plain?.login === undefined) return true;
    return end({ vault: plain.vault, circuit: token.circuit, login: SecretValue.of(plain.login) });
  };
  return {
    find,
    /** The token that all processes use from now on: this one, or the one that another process stored before. */
    keep: (request: Shared, minted: Minted, before: Stored | undefined): Promise<Held | undefined> =>
      orNothing(async () => {
        const { cluster, address } = request;
        const { text: sealed, serial } = (await ready()).seal(
          Buffer.from(plainOf(request, minted)),
          contextOf(idOf(cluster)),
        );
        const circuit = circuitOfVault(address);
        const token = { id: idOf(cluster), scope: "fleet", circuit, serial, sealed, endsAt: minted.endsAt } as const;
        if (await store.putToken(token, before?.token.serial)) {
          // Others that still have the former one find this one after a 401.
          const replaced = before?.held ?? settledFormer(before, minted);
          if (replaced?.login) await request.end(replaced.login);
          return { ...minted, serial };
        }
        const theirs = (await find(request))?.held;
        if (theirs === undefined || theirs.endsAt < minted.endsAt - MINUTE_MS) return undefined;
        if (minted.login) await request.end(minted.login);
        return theirs;
      }),
    /**
     * Removes the tokens of all clusters but these. First their logins are ended; one that can't be ended now stays
     * for the next sweep, until it has ended by itself.
     */
    sweep: (clusters: ReadonlySet<string>, now: EpochMs, end: (login: FormerLogin) => Promise<boolean>) =>
      orNothing(async () => {
        const ours = (await store.tokens("fleet")).filter(({ id }) => id.startsWith(ID));
        for (const token of ours.filter(({ id }) => !clusters.has(id.slice(ID.length)))) {
          if (now < token.endsAt && !(await isEnded(token, end))) continue;
          await store.removeToken(token);
          log.info("cluster-token-forgotten", { cluster: token.id.slice(ID.length) });
        }
      }),
  };
}

function settledFormer(before: Stored | undefined, { mintedAt }: Minted): Held | undefined {
  const former = before?.former;
  return former && mintedAt - former.mintedAt >= SETTLED_MS ? former : undefined;
}

function plainOf({ settings, vault }: Shared, { token, login, mintedAt, endsAt }: Minted): string {
  const text = (value: SecretValue): string => value.reveal().toString("utf8");
  const plain: Plain = { token: text(token), ...(login && { login: text(login) }), mintedAt, endsAt, settings, vault };
  return JSON.stringify(plain);
}

function heldOf({ token, login, mintedAt, endsAt }: Plain, serial: string): Held {
  return {
    ...{ mintedAt, endsAt },
    token: SecretValue.of(token),
    ...(login !== undefined && { login: SecretValue.of(login) }),
    serial,
  };
}
