import type { Clock } from "../clock.ts";
import type { CredentialSource } from "../ports/credentials.ts";
import type { OwnCalls } from "../ports/own-calls.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { SourceData, VaultApi, VaultRead } from "../ports/vault.ts";
import type { IssueApi } from "../ports/vault-issues.ts";
import type { EventSource } from "../ports/vault-subscriptions.ts";
import type { VaultWrites } from "../ports/vault-writes.ts";
import type { BudgetOf } from "../vault-budget.ts";
import type { ReachOf } from "../vault-reach.ts";
import { counted } from "./counted.ts";
import { countedClient } from "./counted-client.ts";
import type { OpenSocket } from "./event-socket.ts";
import { eventSource } from "./event-source.ts";
import type { GoogleEndpoints } from "./gcp-login.ts";
import { askHealth } from "./health.ts";
import { issueApi } from "./issues.ts";
import { kvQuestion, sourceData } from "./kv.ts";
import { ownCalls } from "./own-calls.ts";
import { askSealStatus, reach } from "./seal-status.ts";
import { askShared } from "./shared-token.ts";
import { type TokenCacheOptions, tokenCache } from "./token-cache.ts";
import { type Tokens, tokens } from "./tokens.ts";
import { askedOf, type VaultClient, type VaultClientOptions, vaultClient } from "./vault-client.ts";
import { vaultWrites } from "./writes.ts";

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
  /** How many requests this process may send to a Vault. Missing: any number. */
  readonly budgetOf?: BudgetOf;
  /** The client for Vaults; default: HTTP. */
  readonly openClient?: (options: VaultClientOptions) => VaultClient;
  /** Replaces Google in tests. */
  readonly google?: GoogleEndpoints;
  /** Missing: this process has no subscriptions. */
  readonly openSocket?: OpenSocket | undefined;
  /** How often an open subscription sends a ping, in ms. */
  readonly eventPingMs?: number;
  /** Where tokens are stored for later processes. Missing: each process logs in by itself. */
  readonly cache?: TokenCacheOptions;
}

export interface OpenVaultApi extends VaultApi {
  readonly issues: IssueApi;
  readonly events: EventSource;
  readonly writes: VaultWrites;
  /** What this process has revoked. */
  readonly own: OwnCalls;
  /**
   * Revokes our tokens, stored ones too, for the graceful stop of the only process that uses them. Never throws for a
   * Vault that does not answer.
   */
  revokeAll(signal: AbortSignal): Promise<void>;
  /** Closes all connections; running requests fail. */
  close(): Promise<void>;
}

/** Reads kv paths of Vault or OpenBao, each with the token of its identity, and issues credentials there. */
export function vaultApi(options: VaultApiOptions): OpenVaultApi {
  const {
    clock,
    credentials,
    log,
    metrics,
    maxConnectionsPerVault = 16,
    google,
    reachOf,
    budgetOf,
    openSocket,
    openClient = vaultClient,
  } = options;
  const cache = options.cache && tokenCache(options.cache, { clock, log });
  const client = countedClient(
    openClient({ clock, maxConnectionsPerVault, reachOf, budgetOf, openSocket }),
    clock,
    metrics,
  );
  const prober = openClient({ clock, maxConnectionsPerVault: MAX_PROBES, reachOf });
  const deps = { client, credentials, clock, log, metrics, google, cache, reachOf };
  const ownTokens = tokens(deps);
  const own = ownCalls();
  return {
    read: (read, signal) =>
      counted(
        { metrics, name: "keyferry_vault_reads_total" },
        () => readKv({ client, tokens: ownTokens }, read, signal),
        signal,
      ),
    issues: issueApi({ ...deps, tokens: ownTokens, own }),
    events: eventSource({ client, tokens: ownTokens, clock, pingMs: options.eventPingMs }),
    own,
    writes: vaultWrites({ client, tokens: ownTokens, clock, metrics }),
    probe: (target, signal) => askSealStatus(prober, target, signal),
    giveUp: (outage) => client.refuse(outage),
    reach: (target, signal) => reach(client, target, signal),
    clusterId: async (target, signal) => (await askHealth(prober, target, signal)).clusterId,
    isKnown: (target) => client.isKnown(target),
    tokens: ownTokens,
    revokeAll: (signal) => ownTokens.revokeAll(signal),
    close: async () => void (await Promise.all([client.close(), prober.close()])),
  };
}

async function readKv(
  ends: { readonly client: VaultClient; readonly tokens: Tokens },
  read: VaultRead,
  signal: AbortSignal,
): Promise<SourceData> {
  const question = kvQuestion(read);
  const answer = await askShared(ends, read, question, signal);
  return sourceData(askedOf(read.identity.target, question), answer, read.followDeleted ?? false);
}
