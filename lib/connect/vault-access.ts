import { circuitOfVault } from "../circuits.ts";
import { type Clock, type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { VaultKubeconfigWay, VaultKubernetesWay } from "../fleet/vault-connect-schema.ts";
import type { CredentialSource } from "../ports/credentials.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { EventStream, RefusedEvents } from "../ports/vault-subscriptions.ts";
import { canonical } from "../util/canonical.ts";
import type { Json } from "../util/json.ts";
import type { OpenSocket } from "../vault/event-socket.ts";
import { eventSource } from "../vault/event-source.ts";
import { kvQuestion, sourceData } from "../vault/kv.ts";
import { askShared } from "../vault/shared-token.ts";
import type { TokenCacheOptions } from "../vault/token-cache.ts";
import { tokens } from "../vault/tokens.ts";
import { askedOf, type VaultClient, vaultClient } from "../vault/vault-client.ts";
import type { BudgetOf } from "../vault-budget.ts";
import type { ReachOf } from "../vault-reach.ts";
import type { AccessFor } from "./access-for.ts";
import { type ClusterToken, clusterTokens } from "./cluster-tokens.ts";
import { endLogin, mint } from "./mint.ts";
import type { FormerLogin } from "./sealed-tokens.ts";
import { type IdentityDeps, type OwnName, ownIdentity, ownTarget, REQUEST_MS } from "./vault-identity.ts";

/** How long a failure is the answer for a cluster: the many syncs of a cluster must not each ask a silent Vault. */
const FAILED_MS = 5 * SECOND_MS;

/** Few clusters ask at once, and each of them rarely. */
const CONNECTIONS = 16;

export interface VaultAccessOptions extends IdentityDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly reachOf: ReachOf;
  /** The requests a second that a Vault may get by this way; missing: any number. */
  readonly budgetOf?: BudgetOf;
  /** Missing: this process has no subscriptions. */
  readonly openSocket?: OpenSocket | undefined;
  /** Where tokens of clusters are shared. Missing: they stay in this process. */
  readonly cache?: TokenCacheOptions | undefined;
}

/** What Vault gives for connections to clusters, to keyferry's own identities. */
export interface VaultAccess {
  /** The cluster's token from Vault's Kubernetes secrets engine. */
  token(access: AccessFor, way: VaultKubernetesWay): Promise<ClusterToken>;
  /** The kubeconfig at a path of Vault. */
  kubeconfig(access: AccessFor, way: VaultKubeconfigWay): Promise<string>;
  /** Events of Vault Enterprise, as one of keyferry's own identities may see them. */
  subscribe(own: OwnName, types: string, signal: AbortSignal): Promise<EventStream | RefusedEvents>;
  /** Forgets the tokens of all clusters but these, and ends their logins. */
  sweep(clusters: ReadonlySet<string>): Promise<void>;
  /** Ends the logins that no other process uses, as far as Vault answers, and closes all connections. */
  close(): Promise<void>;
}

export function vaultAccess(options: VaultAccessOptions): VaultAccess {
  const { clock, log, metrics, reachOf, budgetOf, cache, files, openSocket } = options;
  const client = vaultClient({ clock, maxConnectionsPerVault: CONNECTIONS, reachOf, budgetOf, openSocket });
  const deps = { client, clock, log, metrics, reachOf, credentials: NO_CLUSTER, readFile: files.text };
  const logins = tokens(deps);
  const events = eventSource({ client, tokens: logins, clock });
  const minted = clusterTokens({ clock, log, cache });
  const once = oncePerCluster(clock);
  return {
    token: (access, way) =>
      once(access, async () => {
        const identity = await ownIdentity(options, way);
        return minted.token({
          ...access,
          settings: canonical({ ...way, id: identity.id } as unknown as Json),
          vault: way.vault,
          address: identity.target.address,
          mint: () => mint(deps, identity, way),
          end: (login) => endLogin(deps, identity, login),
        });
      }),
    kubeconfig: (access, way) =>
      once(access, async () => {
        const { mount, path, engine, key } = way;
        const identity = await ownIdentity(options, way);
        const question = kvQuestion({ identity, mount, path, engine, version: 0 });
        const signal = AbortSignal.timeout(2 * REQUEST_MS);
        const answer = await askShared({ client, tokens: logins }, { identity }, question, signal);
        const text = sourceData(askedOf(identity.target, question), answer, false).fields.get(key);
        if (typeof text === "string" && text !== "") return text;
        const message = `${mount}/${path} of Vault ${way.vault} has no key ${key} with a text: put the kubeconfig there`;
        throw new SyncError("REFERENCE_INVALID", message);
      }),
    subscribe: async (own, types, signal) => events.open({ identity: await ownIdentity(options, own), types }, signal),
    sweep: (clusters) => minted.sweep(clusters, (login) => ended(options, client, login)),
    async close() {
      await Promise.all([minted.close(), logins.revokeAll(AbortSignal.timeout(REQUEST_MS))]);
      await client.close();
    },
  };
}

/** False: it can't be ended now. */
async function ended(
  options: VaultAccessOptions,
  client: VaultClient,
  { vault, circuit, login }: FormerLogin,
): Promise<boolean> {
  const reached = await ownTarget(options, vault).catch((error: unknown) => {
    if (error instanceof SyncError) return "unknown" as const;
    throw error;
  });
  if (reached === "unknown") return false;
  // Another Vault must not see the login of this one, which ends by itself.
  if (reached === undefined || circuitOfVault(reached.target.address) !== circuit) return true;
  return endLogin({ client }, reached, login);
}

/** Identities of a connection have no credentials in clusters. */
const NO_CLUSTER: CredentialSource = {
  credential: () => Promise.reject(new Error("a connection has no credential in a cluster")),
  secret: () => Promise.reject(new Error("a connection has no Secret in a cluster")),
  annotations: () => Promise.reject(new Error("a connection has no account in a cluster")),
};

/** Concurrent callers of a cluster share one answer, and a failure is the answer for a while. */
function oncePerCluster(clock: Clock) {
  const flights = new Map<string, Promise<unknown>>();
  const failures = new Map<string, { readonly error: SyncError; readonly until: EpochMs }>();
  return async <T>({ cluster, isRefused }: AccessFor, work: () => Promise<T>): Promise<T> => {
    const failed = failures.get(cluster);
    if (failed !== undefined && clock() < failed.until) throw failed.error;
    failures.delete(cluster);
    const name = `${cluster} ${isRefused}`;
    const flight = (flights.get(name) as Promise<T> | undefined) ?? work();
    flights.set(name, flight);
    try {
      return await flight;
    } catch (error) {
      if (error instanceof SyncError) failures.set(cluster, { error, until: clock() + FAILED_MS });
      throw error;
    } finally {
      if (flights.get(name) === flight) flights.delete(name);
    }
  };
}
