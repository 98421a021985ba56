import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import {
  type Cluster,
  type ClusterOptions,
  startCluster,
  startVault,
  type Vault,
  type VaultOptions,
} from "../../harness/index.ts";
import { tempFolder } from "../../harness/process/temp-folder.ts";
import { standIns } from "./stand-ins.ts";

/** One Vault and some clusters, set up as a platform team would: kv mounts, a login per cluster, declarations' kinds installed. */
export interface World extends AsyncDisposable {
  readonly vault: Vault;
  readonly clusters: readonly Cluster[];
  /** A fresh folder for fleet files and data directories. */
  readonly folder: string;
  readonly fleetPath: string;
  /** Writes fleet.yaml anew; each cluster's entry may be extended, or left out by `undefined`, and the entry of the Vault extended. */
  writeFleet(extend?: (cluster: Cluster) => object | undefined, vault?: object): Promise<string>;
  /** Makes a namespace with a service account that may read everything under `kv` (version 2) and `kv1`. */
  namespace(cluster: Cluster, name: string): Promise<void>;
}

export interface WorldOptions {
  readonly clusters?: readonly string[];
  readonly vault?: VaultOptions;
  readonly cluster?: Omit<ClusterOptions, "name">;
  /** More flags of the API server of one cluster, by its name. */
  readonly apiServerArgs?: (cluster: string) => readonly string[];
  /** The shipped ones when not given. */
  readonly crds?: readonly object[];
}

export const ROLE = "app";
export const OPERATOR_NAMESPACE = "vault-secrets-operator-system";

const CRDS = new URL("../../../infra/kubernetes/crds/", import.meta.url);

/** The custom resource definitions that this repository ships. */
export async function shippedCrds(): Promise<object[]> {
  const files = (await readdir(CRDS)).filter((file) => file.endsWith(".yaml"));
  const texts = await Promise.all(files.sort().map((file) => readFile(new URL(file, CRDS), "utf8")));
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as object));
}

/** The same kinds without any validation: what an API server lets through when someone installed other CRDs than ours. */
export async function permissiveCrds(): Promise<object[]> {
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  const crds = (await shippedCrds()) as { spec: { versions: object[] } }[];
  return crds.map((crd) => {
    const versions = crd.spec.versions.map((version) => ({ ...version, schema }));
    return { ...crd, spec: { ...crd.spec, versions } };
  });
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const names = options.clusters ?? ["one"];
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder("world"));
  const crds = options.crds ?? (await shippedCrds());
  const [vault, ...clusters] = await Promise.all([
    startVault(options.vault).then((server) => started.use(server)),
    ...names.map((name) =>
      startCluster({ ...options.cluster, ...flagsOf(options, name), name, crds }).then((server) => started.use(server)),
    ),
  ]);
  await prepareVault(vault, clusters);
  await Promise.all(clusters.map((cluster) => declareDefaults(vault, cluster)));
  const fleetPath = join(folder.path, "fleet.yaml");
  const world: Omit<World, keyof AsyncDisposable> = {
    vault,
    clusters,
    folder: folder.path,
    fleetPath,
    async writeFleet(extend = () => ({}), more = {}) {
      const fleet = {
        apiVersion: "keyferry.dev/v1alpha1",
        kind: "Fleet",
        vaults: await vaultsOf(vault, more),
        clusters: clusters.flatMap((cluster) => {
          const more = extend(cluster);
          const connect = { kubeconfig: { path: cluster.kubeconfigPath } };
          return more === undefined ? [] : [{ name: cluster.name, connect, ...more }];
        }),
      };
      await writeFile(fleetPath, JSON.stringify(fleet, undefined, 2));
      return fleetPath;
    },
    namespace: (cluster, name) => declareNamespace(cluster, name),
  };
  await world.writeFleet();
  const parts = started.move();
  return { ...world, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

function flagsOf({ cluster, apiServerArgs }: WorldOptions, name: string): Pick<ClusterOptions, "apiServerArgs"> {
  return { apiServerArgs: [...(cluster?.apiServerArgs ?? []), ...(apiServerArgs?.(name) ?? [])] };
}

/** What a fleet.yaml says of the world's Vault, and of servers that stand in for one: on loopback none is reached unnamed. */
export async function vaultsOf({ address }: Pick<Vault, "address">, more: object = {}): Promise<readonly object[]> {
  return [
    { name: "main", addresses: [address], ...more },
    { name: "stand-ins", addresses: await standIns() },
  ];
}

/** Where a cluster logs in. */
export function authMount(cluster: Pick<Cluster, "name">): string {
  return `kubernetes-${cluster.name}`;
}

async function prepareVault(vault: Vault, clusters: readonly Cluster[]): Promise<void> {
  await vault.enableKv("kv", 2);
  await vault.enableKv("kv1", 1);
  await vault.writePolicy(ROLE, 'path "kv/*" { capabilities = ["read"] }\npath "kv1/*" { capabilities = ["read"] }');
  for (const cluster of clusters) {
    const mount = authMount(cluster);
    await vault.enableKubernetesAuth(cluster, { mount });
    await vault.write(`auth/${mount}/role/${ROLE}`, {
      bound_service_account_names: ["*"],
      bound_service_account_namespaces: ["*"],
      token_policies: [ROLE],
      token_ttl: "1h",
    });
  }
}

async function declareDefaults(vault: Vault, cluster: Cluster): Promise<void> {
  const metadata = { name: "default", namespace: OPERATOR_NAMESPACE };
  await cluster.apply([
    { apiVersion: "v1", kind: "Namespace", metadata: { name: OPERATOR_NAMESPACE } },
    {
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultConnection",
      metadata,
      spec: { address: vault.address, skipTLSVerify: vault.caPem !== undefined },
    },
    {
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultAuth",
      metadata,
      spec: {
        method: "kubernetes",
        mount: authMount(cluster),
        allowedNamespaces: ["*"],
        kubernetes: { role: ROLE, serviceAccount: "app" },
      },
    },
  ]);
}

async function declareNamespace(cluster: Cluster, name: string): Promise<void> {
  await cluster.apply([
    { apiVersion: "v1", kind: "Namespace", metadata: { name } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "app", namespace: name } },
  ]);
}

/** A VaultStaticSecret: valid by default, overrides for what a test is about. */
export function aStaticSecret(
  namespace: string,
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
): { apiVersion: string; kind: string; metadata: { name: string; namespace: string }; spec: Record<string, unknown> } {
  return {
    apiVersion: "secrets.hashicorp.com/v1beta1",
    kind: "VaultStaticSecret",
    metadata: { name, namespace },
    spec: {
      type: "kv-v2",
      mount: "kv",
      path: name,
      refreshAfter: "5s",
      destination: { name, create: true },
      ...spec,
    },
  };
}
