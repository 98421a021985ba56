import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import { aCluster } from "../../builders.ts";
import {
  API,
  aDeployment,
  aNamespace,
  aServiceAccount,
  aVaultAuth,
  aVaultConnection,
  type ClusterObject,
  VAULT,
} from "../world/builders.ts";
import { type MemoryCluster, memoryCluster } from "../world/cluster.ts";
import type { WorldTime } from "../world/time.ts";
import { type MemoryVault, memoryVault } from "../world/vault.ts";
import { type Declaration, NAMESPACES, PATHS, type Plan } from "./plan.ts";
import type { Dice } from "./random.ts";

/** The clusters and the Vault of a run, as they are before anything happens. */
export interface Setting {
  readonly clusters: ReadonlyMap<string, MemoryCluster>;
  readonly vault: MemoryVault;
  readonly fleet: readonly ClusterSettings[];
  /** How often each path was written. */
  readonly versions: Map<string, number>;
  /** The version; undefined: nothing was written. */
  write(path: string): Promise<number | undefined>;
}

/** A namespace may read what begins with its name, and what is shared; the default login reads what is shared alone. */
export function mayHave(namespace: string, path: string): boolean {
  return path === "shared" || path.startsWith(`${namespace}/`);
}

export function mayRead({ auth, namespace }: Pick<Declaration, "auth" | "namespace">, path: string): boolean {
  return auth === "own" ? mayHave(namespace, path) : path === "shared";
}

const READ = 'capabilities = ["read"]';

export async function aSetting(plan: Plan, time: WorldTime, die: Dice): Promise<Setting> {
  const vault = memoryVault({ address: VAULT, time });
  const pace = () => die.int(5, 400);
  const clusters = new Map(plan.clusters.map(({ name }) => [name, memoryCluster({ name, time, pace })]));
  const fleet = plan.clusters.map(({ name, observe }) => aCluster({ name, observe, makeHmacKey: false }));
  const versions = new Map<string, number>();
  const write = async (path: string): Promise<number | undefined> => {
    // Nobody writes to a Vault that is sealed.
    if (vault.server.isSealed) return undefined;
    const version = (versions.get(path) ?? 0) + 1;
    versions.set(path, version);
    await vault.putKv("kv", path, { value: `${path}#${version}` });
    return version;
  };
  await vault.enableKv("kv", 2);
  await vault.writePolicy("shared", `path "kv/data/shared" { ${READ} }`);
  for (const namespace of NAMESPACES) {
    await vault.writePolicy(namespace, `path "kv/data/${namespace}/*" { ${READ} } path "kv/data/shared" { ${READ} }`);
  }
  for (const path of PATHS) await write(path);
  for (const [name, cluster] of clusters) {
    const mount = `kubernetes-${name}`;
    await vault.enableKubernetesAuth(cluster, { mount });
    const role = (namespace: string, policy: string) =>
      vault.write(`auth/${mount}/role/${policy}`, {
        ...{ bound_service_account_names: "*", bound_service_account_namespaces: namespace },
        ...{ token_policies: policy, token_ttl: "5m" },
      });
    await role("*", "shared");
    await cluster.apply([
      aNamespace("vso"),
      aVaultConnection("default", VAULT, "vso"),
      aVaultAuth(
        "default",
        { mount, allowedNamespaces: ["*"], kubernetes: { role: "shared", serviceAccount: "app" } },
        "vso",
      ),
    ]);
    for (const namespace of NAMESPACES) {
      await role(namespace, namespace);
      await cluster.apply([
        ...[aNamespace(namespace), aServiceAccount("app", namespace), aDeployment("app", namespace)],
        ownAuth(name, namespace),
      ]);
    }
  }
  return { clusters, vault, fleet, versions, write };
}

export function ownAuth(cluster: string, namespace: string): ClusterObject {
  const kubernetes = { role: namespace, serviceAccount: "app" };
  return aVaultAuth("own", { mount: `kubernetes-${cluster}`, kubernetes }, namespace);
}

export function declarationOf({
  namespace,
  name,
  path,
  secret,
  auth,
  refreshSeconds,
  restarts,
}: Declaration): ClusterObject {
  return {
    apiVersion: API,
    kind: "VaultStaticSecret",
    metadata: { name, namespace },
    spec: {
      ...{ type: "kv-v2", mount: "kv", path, refreshAfter: `${refreshSeconds}s` },
      ...(auth === "own" ? { vaultAuthRef: "own" } : {}),
      destination: { name: secret, create: true, transformation: { excludeRaw: true } },
      ...(restarts ? { rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] } : {}),
    },
  };
}
