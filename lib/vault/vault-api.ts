import type { Clock } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { CredentialSource } from "../ports/credentials.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { SourceData, VaultApi, VaultRead } from "../ports/vault.ts";
import type { ReachOf } from "../vault-reach.ts";
import type { ActiveToken } from "./active-token.ts";
import { countedClient } from "./counted-client.ts";
import type { GoogleEndpoints } from "./gcp-login.ts";
import { kvQuestion, sourceData } from "./kv.ts";
import { askSealStatus, reach } from "./seal-status.ts";
import { type TokenCacheOptions, tokenCache } from "./token-cache.ts";
import { type Tokens, tokens } from "./tokens.ts";
import { askedOf, type VaultClient, type VaultClientOptions, vaultClient } from "./vault-client.ts";

/** First by a token that another process stored, then by a login of our own. */
const MAX_REPLACEMENTS = 2;

/** Concurrent probes of one Vault: few callers need one, and none may wait for requests that hang. */
const MAX_PROBES = 16;

export interface VaultApiOptions {
  readonly clock: Clock;
  readonly credentials: CredentialSource;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Connections, and so concurrent requests, to one Vault. */
  readonly maxConnectionsPerVault?: number;
  /** Which Vaults each cluster's resources may name. Missing: only public and private hosts. */
  readonly reachOf?: ReachOf;
  /** The client for Vaults; default: HTTP. */
  readonly openClient?: (options: VaultClientOptions) => VaultClient;
  /** Replaces Google in tests. */
  readonly google?: GoogleEndpoints;
  /** Where tokens are stored for later processes. Missing: each process logs in by itself. */
  readonly cache?: TokenCacheOptions;
}

export interface OpenVaultApi extends VaultApi {
  /**
   * Revokes our tokens, stored ones too, for the graceful stop of the only process that uses them. Never throws for a
   * Vault that does not answer.
   */
  revokeAll(signal: AbortSignal): Promise<void>;
  /** Closes all connections; running requests fail. */
  close(): Promise<void>;
}

/** Reads kv paths of Vault or OpenBao, each with the token of its identity. */
export function vaultApi(options: VaultApiOptions): OpenVaultApi {
  const {
    clock,
    credentials,
    log,
    metrics,
    maxConnectionsPerVault = 16,
    google,
    reachOf,
    openClient = vaultClient,
  } = options;
  const cache = options.cache && tokenCache(options.cache, { clock, log });
  const client = countedClient(openClient({ clock, maxConnectionsPerVault, reachOf }), clock, metrics);
  const prober = openClient({ clock, maxConnectionsPerVault: MAX_PROBES, reachOf });
  const ownTokens = tokens({ client, credentials, clock, log, metrics, google, cache, reachOf });
  return {
    async read(read, signal) {
      try {
        const data = await readKv(client, ownTokens, read, signal);
        metrics?.count("keyferry_vault_reads_total", { outcome: "ok" });
        return data;
      } catch (error) {
        const failure = givenUp(error, signal);
        metrics?.count("keyferry_vault_reads_total", { outcome: failure instanceof SyncError ? failure.code : "bug" });
        throw failure;
      }
    },
    probe: (target, signal) => askSealStatus(prober, target, signal),
    giveUp: (outage) => client.refuse(outage),
    reach: (target, signal) => reach(client, target, signal),
    isKnown: (target) => client.isKnown(target),
    tokens: ownTokens,
    revokeAll: (signal) => ownTokens.revokeAll(signal),
    close: async () => void (await Promise.all([client.close(), prober.close()])),
  };
}

async function readKv(
  client: VaultClient,
  ownTokens: Tokens,
  read: VaultRead,
  signal: AbortSignal,
): Promise<SourceData> {
  const { target } = read.identity;
  const question = kvQuestion(read);
  const ask = ({ value: token }: ActiveToken) => client.ask(target, { ...question, token }, signal);
  let token: ActiveToken | undefined = await ownTokens.token(read, signal);
  let answer = await ask(token);
  for (let times = 0; answer.status === 403 && times < MAX_REPLACEMENTS; times++) {
    token = await ownTokens.replacement(read, { token, isSecond: times > 0 }, signal);
    if (token === undefined) break;
    answer = await ask(token);
  }
  return sourceData(askedOf(target, question), answer, read.followDeleted ?? false);
}

/** A caller that leaves a shared login gets its own signal's reason. */
function givenUp(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof SyncError || !signal.aborted) return error;
  return new SyncError("DEADLINE_EXCEEDED", "A read of Vault ran out of time while it waited for a login");
}
