import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { type Cluster, obtain, startCluster, startVault, tempFolder, type Vault } from "../test/harness/index.ts";
import type { Places } from "./keyferry.ts";
import type { Say } from "./show.ts";

const CLUSTERS = ["prod-eu", "prod-us"] as const;
const SERVERS = ["bao", "etcd", "kube-apiserver", "kube-controller-manager"] as const;
const DECLARATIONS = new URL("./declarations/", import.meta.url);
const INFRA = new URL("../infra/", import.meta.url);

/** A Vault-compatible server and two clusters, and a folder for keyferry's own files. */
export interface World extends AsyncDisposable, Places {
  readonly vault: Vault;
  readonly clusters: readonly Cluster[];
}

export async function obtainServers(say: Say): Promise<number> {
  const progress = (name: string) => (text: string) => say(`${name}: ${text}`);
  await Promise.all(SERVERS.map((name) => obtain(name, { progress: progress(name) })));
  return SERVERS.length;
}

/** Starts everything side by side, with our own resource definitions in the clusters. */
export async function startWorld(say: Say): Promise<World> {
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder("demo"));
  const crds = await documentsIn(new URL("kubernetes/crds/", INFRA));
  const tell = <T>(name: string, value: T): T => {
    say(`${name} answers`);
    return value;
  };
  const [vault, ...clusters] = await allOrNone(started, [
    startVault().then((server) => tell("OpenBao", server)),
    ...CLUSTERS.map((name) => startCluster({ name, crds }).then((server) => tell(name, server))),
  ]);
  const parts = started.move();
  return {
    vault,
    clusters,
    fleetPath: join(folder.path, "fleet.yaml"),
    dataDir: join(folder.path, "data"),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Puts each server on the stack as soon as it runs, so that one that fails to start stops the others too. */
async function allOrNone(
  stack: AsyncDisposableStack,
  servers: readonly [Promise<Vault>, ...Promise<Cluster>[]],
): Promise<[Vault, ...Cluster[]]> {
  const outcomes = await Promise.allSettled(servers);
  for (const outcome of outcomes) if (outcome.status === "fulfilled") stack.use(outcome.value);
  return Promise.all(servers) as Promise<[Vault, ...Cluster[]]>;
}

/** What a platform team does once: kv mounts, a login for each cluster, roles, the fleet file. */
export async function prepare(world: World): Promise<void> {
  const { vault, clusters } = world;
  const policy = await readFile(new URL("vault/policy.hcl", INFRA), "utf8");
  await Promise.all([vault.enableKv("kv", 2), vault.enableKv("kv-v1", 1), vault.writePolicy("shop", policy)]);
  await Promise.all(clusters.map((cluster) => prepareCluster(vault, cluster)));
  const users = await Promise.all(clusters.map((cluster) => writeKubeconfig(world, cluster)));
  await writeFile(world.fleetPath, stringify(fleetOf(world, users)));
}

async function prepareCluster(vault: Vault, cluster: Cluster): Promise<void> {
  await cluster.apply(await documents(new URL("kubernetes/rbac.yaml", INFRA)));
  await cluster.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "keyferry" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "keyferry-watch" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "keyferry" }],
  });
  await cluster.apply([...(await declarations("platform")), ...(await declarations("team"))]);
  const mount = mountOf(cluster);
  await vault.enableKubernetesAuth(cluster, { mount });
  await vault.write(`auth/${mount}/role/shop`, {
    bound_service_account_names: "vault",
    bound_service_account_namespaces: "shop",
    audience: "vault",
    token_policies: "shop",
    token_ttl: "1h",
  });
}

function mountOf(cluster: Cluster): string {
  return `kubernetes-${cluster.name}`;
}

/** keyferry logs in as a user of its own, with the role that we ship and nothing more. */
async function writeKubeconfig(world: World, cluster: Cluster): Promise<string> {
  const name = `${cluster.name}.kubeconfig`;
  const text = await cluster.kubeconfigFor({ user: "keyferry" });
  await writeFile(join(world.fleetPath, "..", name), text, { mode: 0o600 });
  return name;
}

function fleetOf(world: World, kubeconfigs: readonly string[]): object {
  return {
    apiVersion: "keyferry.dev/v1alpha1",
    kind: "Fleet",
    clusters: world.clusters.map((cluster, index) => ({
      name: cluster.name,
      connect: { kubeconfig: { path: `./${kubeconfigs[index]}` } },
      vault: { address: world.vault.address, authMount: mountOf(cluster), requireAudiences: true },
    })),
  };
}

/** The objects of one of our files of declarations. */
export function declarations(name: "platform" | "team" | "syncs"): Promise<readonly Declaration[]> {
  return documents(new URL(`${name}.yaml`, DECLARATIONS));
}

export interface Declaration {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: { readonly mount: string; readonly path: string };
}

async function documents(file: URL): Promise<readonly Declaration[]> {
  const text = await readFile(file, "utf8");
  return parseAllDocuments(text).map((document) => document.toJS() as Declaration);
}

async function documentsIn(folder: URL): Promise<readonly Declaration[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".yaml")).sort();
  return (await Promise.all(files.map((file) => documents(new URL(file, folder))))).flat();
}
