import { API, type ClusterObject, NAMESPACE, type StaticSecretSpec } from "./builders.ts";
import { aWorld, type World, type WorldOptions } from "./world.ts";

/** What the login of its syncs may do. */
export const POLICY = [
  'path "kv/*" { capabilities = ["read"] }',
  'path "database/creds/*" { capabilities = ["read", "update"] }',
  'path "database/static-creds/*" { capabilities = ["read"] }',
  'path "pki/issue/*" { capabilities = ["update"] }',
  'path "pki/issuer/+/issue/*" { capabilities = ["update"] }',
  'path "pki/revoke" { capabilities = ["update"] }',
  'path "kubernetes/creds/*" { capabilities = ["update"] }',
  'path "old/*" { capabilities = ["read"] }',
].join(" ");

/** A world whose Vault issues credentials of a database and certificates. */
export async function anIssuingWorld(options: WorldOptions = {}): Promise<World> {
  const world = await aWorld(options);
  await world.vault.writePolicy("app", POLICY);
  await world.vault.putDatabaseRole("app", { defaultTtl: "60s", maxTtl: "24h" });
  await world.vault.putPkiRole("web", { ttl: "1h" });
  return world;
}

/** A VaultDynamicSecret of `database/creds/app` into Secret `<name>`. */
export function aDynamicSecret(name = "db", spec: StaticSecretSpec = {}): ClusterObject {
  const { namespace = NAMESPACE, labels, annotations, destination = {}, ...rest } = spec;
  return {
    apiVersion: API,
    kind: "VaultDynamicSecret",
    metadata: { name, namespace, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
    spec: { mount: "database", path: "creds/app", destination: { name, create: true, ...destination }, ...rest },
  };
}

/** A VaultPKISecret of role `web` into Secret `<name>`. */
export function aPkiSecret(name = "web", spec: StaticSecretSpec = {}): ClusterObject {
  const { namespace = NAMESPACE, labels, annotations, destination = {}, ...rest } = spec;
  return {
    apiVersion: API,
    kind: "VaultPKISecret",
    metadata: { name, namespace, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
    spec: {
      ...{ mount: "pki", role: "web", commonName: `${name}.example.com` },
      destination: { name, create: true, type: "kubernetes.io/tls", ...destination },
      ...rest,
    },
  };
}

export const DYNAMIC = "VaultDynamicSecret";
export const PKI = "VaultPKISecret";

/** A resource's status. */
export function statusOf(world: World, name: string, kind = DYNAMIC): Readonly<Record<string, unknown>> {
  return (world.resource(name, kind)?.status ?? {}) as Readonly<Record<string, unknown>>;
}

/** How often the workload was restarted. */
export function restarts(world: World, name = "app"): number {
  return (world.resource(name, "Deployment")?.metadata.generation ?? 0) - 1;
}

/** Whether the credential in this Secret gets in now. */
export async function logsIn(world: World, secret = "db"): Promise<boolean> {
  const { username = "", password = "" } = world.secret(secret)?.data ?? {};
  return world.vault.login(username, password);
}

/** The requests that Vault got meanwhile, by audited name. */
export async function askedOf(world: World, work: () => Promise<void>): Promise<Readonly<Record<string, number>>> {
  const before = new Map(world.vault.server.audit);
  await work();
  return Object.fromEntries(
    [...world.vault.server.audit]
      .map(([name, times]) => [name, times - (before.get(name) ?? 0)] as const)
      .filter(([, times]) => times > 0),
  );
}

/** What the lease table wrote meanwhile, by operation. */
export async function writtenIn(world: World, work: () => Promise<void>): Promise<Readonly<Record<string, number>>> {
  const before = { ...world.store.counts() };
  await work();
  const names = ["claim", "record", "settle", "nudge", "declare", "tombstone", "retire"];
  return Object.fromEntries(
    names
      .map((name) => [name, (world.store.counts()[name] ?? 0) - (before[name] ?? 0)] as const)
      .filter(([, times]) => times > 0),
  );
}
