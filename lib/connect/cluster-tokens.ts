import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { Log } from "../ports/telemetry.ts";
import type { SecretValue } from "../secret-value.ts";
import type { TokenCacheOptions } from "../vault/token-cache.ts";
import type { Minted } from "./mint.ts";
import { type FormerLogin, type Held, type Shared, sealedTokens } from "./sealed-tokens.ts";

/**
 * A token that the API server refuses is replaced at most once in this time, in all processes: if the cluster accepts
 * none, another one does not help.
 */
const REFUSED_FLOOR_MS = MINUTE_MS;

/** How long an old token is used before Vault is asked again. */
const AGAIN_MS = MINUTE_MS;

/** A token to use, and when to ask for the next one. */
export interface ClusterToken {
  readonly token: SecretValue;
  readonly expiresAt: EpochMs;
}

export interface TokenRequest extends Shared {
  readonly isRefused: boolean;
  mint(): Promise<Minted>;
}

/** One token for each cluster, shared by all processes with this store. */
export interface ClusterTokens {
  token(request: TokenRequest): Promise<ClusterToken>;
  /** Forgets the tokens of all clusters but these, and ends their logins by `end`. */
  sweep(clusters: ReadonlySet<string>, end: (login: FormerLogin) => Promise<boolean>): Promise<void>;
  /** Ends the logins of tokens that no other process can use. */
  close(): Promise<void>;
}

interface OfCluster {
  readonly settings: string;
  held?: Held;
  end(): Promise<void>;
}

export interface ClusterTokensOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Missing: the tokens stay in this process. */
  readonly cache?: TokenCacheOptions | undefined;
}

export function clusterTokens({ clock, log, cache }: ClusterTokensOptions): ClusterTokens {
  const known = new Map<string, OfCluster>();
  const store = cache && sealedTokens(cache, log);

  const renewed = async (request: TokenRequest, of: OfCluster, refused: Held | undefined): Promise<Held> => {
    const stored = await store?.find(request);
    const other = stored?.held;
    if (other && isFresh(other, clock()) && !isSame(other, refused)) return other;
    try {
      const minted = await request.mint();
      const seconds = Math.round((minted.endsAt - minted.mintedAt) / SECOND_MS);
      log.info("cluster-token-minted", { cluster: request.cluster, seconds });
      return (await store?.keep(request, minted, stored)) ?? minted;
    } catch (error) {
      const usable = [of.held, other].find((one) => one && clock() < one.endsAt && !isSame(one, refused));
      if (!(error instanceof SyncError) || usable === undefined) throw error;
      const until = new Date(usable.endsAt).toISOString();
      log.warn("cluster-token-kept", { cluster: request.cluster, code: error.code, until });
      return usable;
    }
  };
  /** Another process may have replaced the refused token already; otherwise the API server refuses it again. */
  const theirs = async (request: TokenRequest, refused: Held): Promise<Held> => {
    const held = (await store?.find(request))?.held;
    return held && isFresh(held, clock()) ? held : refused;
  };
  const next = async (request: TokenRequest, of: OfCluster): Promise<Held> => {
    const { held } = of;
    if (!request.isRefused || held === undefined) {
      return held !== undefined && isFresh(held, clock()) ? held : renewed(request, of, undefined);
    }
    const isYoung = clock() - held.mintedAt < REFUSED_FLOOR_MS;
    return isYoung ? theirs(request, held) : renewed(request, of, held);
  };
  /** What this process has of the cluster. What it had by other settings is no longer needed. */
  const ofCluster = async ({ cluster, settings }: TokenRequest): Promise<OfCluster> => {
    const before = known.get(cluster);
    if (before?.settings === settings) return before;
    await before?.end();
    const of: OfCluster = { settings, end: async () => {} };
    known.set(cluster, of);
    return of;
  };
  return {
    async token(request) {
      const of = await ofCluster(request);
      const held = await next(request, of);
      of.held = held;
      of.end = async () => {
        if (held.serial === undefined && held.login !== undefined) await request.end(held.login);
      };
      const now = clock();
      const expiresAt = isFresh(held, now) ? replaceAt(held) : Math.min(held.endsAt, now + AGAIN_MS);
      return { token: held.token, expiresAt };
    },
    async sweep(clusters, end) {
      for (const [cluster, of] of [...known]) {
        if (clusters.has(cluster)) continue;
        known.delete(cluster);
        await of.end();
      }
      await store?.sweep(clusters, clock(), end);
    },
    async close() {
      await Promise.all([...known.values()].map((of) => of.end()));
      known.clear();
    },
  };
}

/** After two thirds of its life. */
function replaceAt({ mintedAt, endsAt }: Minted): EpochMs {
  return mintedAt + ((endsAt - mintedAt) * 2) / 3;
}

function isFresh(token: Minted, now: EpochMs): boolean {
  return now < replaceAt(token);
}

function isSame(one: Minted, other: Minted | undefined): boolean {
  return other !== undefined && one.token.reveal().equals(other.token.reveal());
}
