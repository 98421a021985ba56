import type { ClusterSettings } from "../../../../lib/ports/fleet.ts";
import { aCluster } from "../../../builders.ts";
import {
  API,
  aDeployment,
  aNamespace,
  aServiceAccount,
  aVaultAuth,
  aVaultConnection,
  type ClusterObject,
  VAULT,
} from "../../world/builders.ts";
import { type MemoryCluster, memoryCluster } from "../../world/cluster.ts";
import type { WorldTime } from "../../world/time.ts";
import { type MemoryVault, memoryVault } from "../../world/vault.ts";
import type { Dice } from "../random.ts";
import { DATABASE_ROLES, type IssuedDeclaration, type IssuedPlan, LOGINS, type Login, NAMESPACE } from "./plan.ts";

/** The clusters and the Vault of a run. */
export interface IssuedSetting {
  readonly clusters: ReadonlyMap<string, MemoryCluster>;
  readonly vault: MemoryVault;
  /** What keyferry is told of now. */
  fleet: readonly ClusterSettings[];
  readonly wholeFleet: readonly ClusterSettings[];
  /** Time as Vault and the clusters have it: only keyferry's clock is stepped. */
  readonly trueTime: WorldTime;
  stepClock(ms: number): void;
  /** How far keyferry's clock is off. */
  offBy(): number;
}

/** Vault ends a request after this. */
const MAX_REQUEST_MS = 3_000;
/** What leaves the fleet is renewed for so long. */
export const RETENTION_MS = 120_000;

const ISSUE = `path "database/*" { capabilities = ["read"] } path "kubernetes/creds/*" { capabilities = ["update"] }
  path "pki/issue/*" { capabilities = ["update"] } path "pki/revoke" { capabilities = ["update"] }`;
const RENEW_ONLY = `path "auth/token/renew-self" { capabilities = ["update"] }
  path "sys/capabilities-self" { capabilities = ["update"] } path "sys/leases/renew" { capabilities = ["update"] }`;

const TOKENS: Readonly<Record<Login, object>> = {
  plain: { token_ttl: "5m", token_max_ttl: "24h" },
  short: { token_ttl: "60s", token_max_ttl: "24h" },
  capped: { token_ttl: "60s", token_max_ttl: "150s" },
  batch: { token_ttl: "2m", token_type: "batch" },
  stuck: { token_ttl: "60s", token_no_default_policy: true, token_policies: "issue,renew" },
};

export async function issuedSetting(plan: IssuedPlan, time: WorldTime, die: Dice): Promise<IssuedSetting> {
  let off = 0;
  const trueTime: WorldTime = { ...time, now: () => time.now() - off };
  const vault = memoryVault({ address: VAULT, time: trueTime });
  vault.server.maxRequestMs = MAX_REQUEST_MS;
  vault.keepsGoing = plan.keepsGoing;
  const pace = () => die.int(5, 400);
  const clusters = new Map(plan.clusters.map((name) => [name, memoryCluster({ name, time: trueTime, pace })]));
  const known = { name: "main", addresses: [VAULT], identities: [] };
  const vaults = [{ ...known, maxRequestDurationMs: MAX_REQUEST_MS, retentionMs: RETENTION_MS }];
  const fleet = plan.clusters.map((name) => aCluster({ name, makeHmacKey: false, vaults }));
  await furnish(vault);
  const logins = loginsOf(plan);
  for (const [name, cluster] of clusters) await welcome(vault, name, cluster, logins);
  return {
    ...{ clusters, vault, fleet, wholeFleet: fleet, trueTime },
    stepClock(ms) {
      off += ms;
      time.stepClock(ms);
    },
    offBy: () => off,
  };
}

async function furnish(vault: MemoryVault): Promise<void> {
  await vault.writePolicy("issue", ISSUE);
  await vault.writePolicy("renew", RENEW_ONLY);
  await Promise.all([vault.enableDatabase(), vault.enableKubernetesSecrets(), vault.enablePki()]);
  for (const [role, { ttl, maxTtl, s = 0 }] of Object.entries(DATABASE_ROLES)) {
    await vault.putDatabaseRole(role, { defaultTtl: ttl, maxTtl, creationSeconds: s });
  }
  await vault.putStaticRole("fixed", { rotationPeriod: "20s" });
  await vault.putKubernetesRole("app", { ttl: "60s" });
  await vault.putPkiRole("web", { ttl: "90s" });
  await vault.putPkiRole("leased", { ttl: "90s", generate_lease: true });
  await vault.putPkiRole("unstored", { ttl: "90s", no_store: true });
}

/** Those that are declared: each VaultAuth costs a run. */
export function loginsOf({ actions }: IssuedPlan): readonly Login[] {
  return LOGINS.filter((login) => actions.some((action) => action.do === "declare" && action.login === login));
}

async function welcome(
  vault: MemoryVault,
  name: string,
  cluster: MemoryCluster,
  logins: readonly Login[],
): Promise<void> {
  const mount = `kubernetes-${name}`;
  await vault.enableKubernetesAuth(cluster, { mount });
  for (const login of logins) {
    const bound = { bound_service_account_names: "*", bound_service_account_namespaces: NAMESPACE };
    await vault.write(`auth/${mount}/role/${login}`, { ...bound, token_policies: "issue", ...TOKENS[login] });
  }
  await cluster.apply([
    ...[aNamespace("vso"), aVaultConnection("default", VAULT, "vso"), aNamespace(NAMESPACE)],
    ...[aServiceAccount("app", NAMESPACE), aDeployment("app", NAMESPACE)],
    ...logins.map((login) => authOf(name, login)),
  ]);
}

export function authOf(cluster: string, login: Login): ClusterObject {
  const kubernetes = { role: login, serviceAccount: "app" };
  return aVaultAuth(login, { mount: `kubernetes-${cluster}`, kubernetes }, NAMESPACE);
}

export function issuedDeclaration(of: IssuedDeclaration): ClusterObject {
  const { kind, name, role, secret, login, restarts, revokeReplaced, revoke, renewalPercent } = of;
  const annotations = revokeReplaced === undefined ? {} : { "keyferry.dev/revoke-replaced": revokeReplaced };
  const spec = {
    vaultAuthRef: login,
    ...(restarts ? { rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] } : {}),
  };
  const destination = { name: secret, create: true, transformation: { excludeRaw: true } };
  if (kind === "VaultPKISecret") {
    const names = { commonName: `${name}.example.com`, format: "pem", revoke };
    return {
      ...{ apiVersion: API, kind, metadata: { name, namespace: NAMESPACE, annotations } },
      spec: { ...spec, mount: "pki", role, ...names, destination: { ...destination, type: "kubernetes.io/tls" } },
    };
  }
  return {
    ...{ apiVersion: API, kind, metadata: { name, namespace: NAMESPACE, annotations } },
    spec: { ...spec, ...requestOf(role), renewalPercent, destination },
  };
}

function requestOf(role: string): object {
  if (role === "static") return { mount: "database", path: "static-creds/fixed", allowStaticCreds: true };
  if (role !== "kubernetes") return { mount: "database", path: `creds/${role}` };
  return {
    mount: "kubernetes",
    path: "creds/app",
    requestHTTPMethod: "POST",
    params: { kubernetes_namespace: NAMESPACE },
  };
}
