import { inspect } from "node:util";
import type { Clock } from "../../lib/clock.ts";
import { type ErrorCode, SyncError } from "../../lib/errors.ts";
import { credentialSource } from "../../lib/kubernetes/credentials.ts";
import type { CredentialRef, CredentialSource } from "../../lib/ports/credentials.ts";
import type { Log } from "../../lib/ports/telemetry.ts";
import type { VaultIdentity, VaultRead } from "../../lib/ports/vault.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { type OpenVaultApi, type VaultApiOptions, vaultApi } from "../../lib/vault/vault-api.ts";
import type { ReachOf } from "../../lib/vault-reach.ts";
import type { MemoryCluster } from "../core/world/cluster.ts";
import type { ContractVault, MemoryVault } from "../core/world/vault.ts";
import { memoryVaultClient } from "../core/world/vault-client.ts";
import type { Cluster } from "../harness/index.ts";

const NAMESPACE = "default";
export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A cluster that logins have their credentials from, a real one or one in memory. */
export type LoginCluster = Cluster | MemoryCluster;

/** Clusters' tokens and Secrets: those of real ones through the harness. */
export function clusterCredentials(cluster: LoginCluster): CredentialSource {
  if ("clientsFor" in cluster) return credentialSource({ clients: cluster.clientsFor(cluster.adminKubeconfig) });
  return {
    async credential(ref) {
      if (ref.kind === "serviceAccount") {
        const { audiences, ...account } = ref;
        const token = await cluster.tokenFor({
          ...account,
          ...(audiences.length > 0 && { audiences: [...audiences] }),
        });
        return { value: SecretValue.of(token), expiresAt: Date.now() + 600_000 };
      }
      return { value: (await this.secret(ref, AbortSignal.timeout(10_000))).get(ref.key) ?? SecretValue.of("") };
    },
    async secret({ namespace, name }) {
      const secret = await cluster.get({ apiVersion: "v1", kind: "Secret", namespace, name });
      const data: Readonly<Record<string, string>> = secret?.data ?? {};
      return new Map(Object.entries(data).map(([key, value]) => [key, SecretValue.of(Buffer.from(value, "base64"))]));
    },
    async annotations({ namespace, name }) {
      const account = await cluster.get({ apiVersion: "v1", kind: "ServiceAccount", namespace, name });
      return account?.metadata.annotations ?? {};
    },
  };
}

/** Addresses of the Vaults that identities are on: as a fleet.yaml names them, since they lie on loopback. */
const named: string[] = [];

/** Which Vaults ends of tests may ask. */
export const reachHere = (stsEndpoint?: string): ReachOf => {
  return () => ({ named, onlyNamed: false, ...(stsEndpoint === undefined ? {} : { stsEndpoint }) });
};

/** An end with a clock that tests move. */
export interface TestVaultApi extends OpenVaultApi, AsyncDisposable {
  pass(ms: number): void;
  now(): number;
}

/** Vaults in memory that identities are on. */
const inMemory = new Map<string, MemoryVault>();

export function openVaultApi(
  cluster: LoginCluster,
  options: Partial<VaultApiOptions> = {},
  now = clockOf(cluster),
): TestVaultApi {
  let ahead = 0;
  const clock = () => now() + ahead;
  const reachOf = reachHere();
  const time = "time" in cluster ? cluster.time : undefined;
  const client = time && { openClient: () => memoryVaultClient({ time, vaultAt: (address) => inMemory.get(address) }) };
  const credentials = clusterCredentials(cluster);
  const end = vaultApi({ clock, credentials, log: quiet, reachOf, ...client, ...options });
  return {
    ...end,
    now: clock,
    pass(ms) {
      ahead += ms;
    },
    [Symbol.asyncDispose]: () => end.close(),
  };
}

const clockOf = (cluster: LoginCluster): Clock => ("time" in cluster ? cluster.time.now : Date.now);

/** An end whose clock only tests move: what it remembers for seconds it remembers on a slow machine, too. */
export function steadyVaultApi(cluster: LoginCluster, options: Partial<VaultApiOptions> = {}): TestVaultApi {
  const start = clockOf(cluster)();
  return openVaultApi(cluster, options, () => start);
}

export const account = (...audiences: readonly string[]): CredentialRef => ({
  kind: "serviceAccount",
  cluster: "test",
  namespace: NAMESPACE,
  name: "default",
  audiences,
  expirationSeconds: 600,
});

/** A role of the JWT login for that account's tokens. */
export const JWT_ROLE = {
  role_type: "jwt",
  user_claim: "sub",
  bound_subject: `system:serviceaccount:${NAMESPACE}:default`,
  bound_audiences: "vault",
  token_policies: "reader",
};

export const secretKey = (name: string, key: string): CredentialRef => ({
  kind: "secret",
  cluster: "test",
  namespace: NAMESPACE,
  name,
  key,
});

export const putSecret = (cluster: LoginCluster, name: string, texts: Record<string, string>) => {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  return cluster.apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NAMESPACE }, data });
};

let identities = 0;

export function identityOn(
  vault: ContractVault,
  rest: Pick<VaultIdentity, "mount" | "method"> & Partial<VaultIdentity>,
) {
  const { address, caPem } = vault;
  if (!named.includes(address)) named.push(address);
  if ("server" in vault && "time" in vault) inMemory.set(address, vault as MemoryVault);
  const target = { address, headers: {}, skipTlsVerify: false, timeoutMs: 30_000, ...(caPem && { caPem }) };
  return { id: `identity-${++identities}`, target, headers: {}, ...rest };
}

/** An AppRole identity of its own, with its role, its token's TTL, and its secret id in the cluster. */
export async function appRole(
  { vault, cluster }: { readonly vault: ContractVault; readonly cluster: LoginCluster },
  options: { readonly policies: readonly string[]; readonly ttl?: string; readonly secretId?: string },
): Promise<VaultIdentity & { readonly role: string }> {
  const role = `role-${++identities}`;
  const { roleId, secretId } = await vault.enableAppRole({ role, policies: options.policies });
  if (options.ttl) await vault.write(`auth/approle/role/${role}`, { token_ttl: options.ttl, token_max_ttl: "1h" });
  await putSecret(cluster, `${vault.flavor}-${role}`, { id: options.secretId ?? secretId });
  const credential = secretKey(`${vault.flavor}-${role}`, "id");
  return { ...identityOn(vault, { mount: "approle", method: { kind: "appRole", roleId, credential } }), role };
}

export const kv2 = (identity: VaultIdentity, path: string, rest: Partial<VaultRead> = {}): VaultRead => ({
  identity,
  mount: "kv",
  path,
  engine: "kv-v2",
  version: 0,
  ...rest,
});

/** How often Vault itself counted these during some work. */
export async function audited(
  vault: ContractVault,
  work: () => Promise<unknown>,
): Promise<(operation: string) => number> {
  const before = await vault.auditedReads();
  await work();
  const after = await vault.auditedReads();
  return (operation) => (after.get(operation) ?? 0) - (before.get(operation) ?? 0);
}

/** The SyncError that something fails with; it holds neither tokens nor data. */
export async function failure(work: Promise<unknown>, code: ErrorCode): Promise<SyncError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof SyncError)) throw new Error(`expected ${code}`, { cause: error });
  if (error.code !== code) throw new Error(`expected ${code}, got ${error.code}: ${error.message}`, { cause: error });
  if (/hvs\.|hvb\.|\bs\.[A-Za-z0-9]{20}|eyJ|s3cr3t/.test(inspect(error, { depth: 20, showHidden: true }))) {
    throw new Error(`${code} holds a secret`);
  }
  return error;
}

const READER =
  'path "kv/*" { capabilities = ["read"] } path "kv/data/closed/*" { capabilities = ["deny"] } path "old/*" { capabilities = ["read"] }';

/** What every suite finds on a Vault: kv-v2 at `kv`, kv-v1 at `old`, and a policy that reads all but `kv/closed`. */
export async function furnish(vault: ContractVault): Promise<void> {
  await vault.enableKv("kv", 2);
  await vault.enableKv("old", 1);
  await vault.writePolicy("reader", READER);
  await vault.putKv("kv", "app", { password: "s3cr3t" });
  await vault.putKv("kv", "closed/app", { password: "s3cr3t" });
  await vault.putKv("old", "app", { password: "s3cr3t" });
}

export const times = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));
