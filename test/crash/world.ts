import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { shippedCrds } from "../e2e/support/world.ts";
import { startDynalite } from "../harness/dynalite.ts";
import { type Cluster, type Postgres, startCluster, startPostgres, startVault, type Vault } from "../harness/index.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";
import { RETENTION_MS } from "./acts.ts";
import { type PointPlace, type StorePlace, writeFleet } from "./place.ts";
import { startProxy, type VaultProxy } from "./proxy.ts";
import { PUSH_POLICY, PUSH_ROLE, type PushFleet, pushOf } from "./push-fleet.ts";

export type StoreName = "sqlite" | "dynamodb";
export type VaultName = "openbao" | "vault";

/** The servers that all points share. */
export interface CrashWorld extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly postgres: Postgres;
  readonly vaults: Readonly<Record<VaultName, Vault>>;
  readonly folder: string;
  /** A namespace, a login, a lease table and a way to Vault of its own. */
  open(options: StageOptions): Promise<Stage>;
}

export interface StageOptions {
  readonly name: string;
  readonly store: StoreName;
  readonly vault: VaultName;
  /** The cluster may push. */
  readonly push?: PushFleet;
}

/** The part of the world that one point has for itself. */
export interface Stage extends AsyncDisposable {
  readonly place: PointPlace;
  readonly vault: Vault;
  readonly proxy: VaultProxy;
  readonly world: Pick<CrashWorld, "cluster" | "postgres">;
  /** The fleet without the point's cluster. */
  leaveFleet(): void;
}

const OPERATOR_API = "secrets.hashicorp.com/v1beta1";
export const MOUNT = "kubernetes";
export const ROLE = "app";
const POLICY = [
  'path "database/creds/*" { capabilities = ["read"] }',
  'path "+/issue/+" { capabilities = ["update"] }',
  'path "+/revoke" { capabilities = ["update"] }',
].join("\n");
/** Vault gives up a request after this: far more than any takes on a machine that is busy. */
export const MAX_REQUEST = "20s";

export async function startCrashWorld(vaultNames: readonly VaultName[]): Promise<CrashWorld> {
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder("crash"));
  const crds = await shippedCrds();
  const [cluster, postgres, dynalite, ...servers] = await Promise.all([
    startCluster({ name: "crash", crds }).then((server) => started.use(server)),
    startPostgres().then((server) => started.use(server)),
    startDynalite().then((server) => started.use(server)),
    ...vaultNames.map((flavor) =>
      startVault({ flavor, maxRequestDuration: MAX_REQUEST }).then((server) => started.use(server)),
    ),
  ]);
  for (const vault of servers) await furnish(vault, cluster, postgres);
  const vaults = Object.fromEntries(servers.map((vault) => [vault.flavor, vault])) as CrashWorld["vaults"];
  const parts = started.move();
  return {
    ...{ cluster, postgres, vaults },
    folder: folder.path,
    async open({ name, store, vault, push }) {
      await using opened = new AsyncDisposableStack();
      const at: StorePlace =
        store === "sqlite"
          ? { kind: "sqlite" }
          : { kind: "dynamodb", endpoint: dynalite.endpoint, table: await dynalite.createTable() };
      const place: PointPlace = { folder: join(folder.path, name), name, store: at };
      await mkdir(place.folder);
      const proxy = opened.use(await startProxy(vaults[vault].address));
      await declarePlace(cluster, name, proxy.address);
      const writeClusters = (clusters: readonly object[]) => writeFleet(place, fleetOf(cluster, proxy, clusters));
      const own = { name, namespaces: { include: [name] }, operatorNamespace: name };
      writeClusters([push === undefined ? own : { ...own, ...pushOf(push, MOUNT) }]);
      const stage = opened.move();
      return {
        ...{ place, proxy, vault: vaults[vault], world: { cluster, postgres } },
        leaveFleet: () => writeClusters([{ name: "other", namespaces: { include: ["nowhere"] } }]),
        [Symbol.asyncDispose]: () => stage.disposeAsync(),
      };
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

async function furnish(vault: Vault, cluster: Cluster, postgres: Postgres): Promise<void> {
  await vault.writePolicy(ROLE, POLICY);
  await vault.enableKubernetesAuth(cluster, { mount: MOUNT });
  await vault.write(`auth/${MOUNT}/role/${ROLE}`, {
    bound_service_account_names: ["*"],
    bound_service_account_namespaces: ["*"],
    token_policies: [ROLE],
    token_ttl: "20m",
    token_max_ttl: "24h",
  });
  await vault.enableDatabase(postgres);
  await vault.enableKv("kv", 2);
  await vault.writePolicy(PUSH_ROLE, PUSH_POLICY);
  await vault.write(`auth/${MOUNT}/role/${PUSH_ROLE}`, {
    bound_service_account_names: ["app"],
    bound_service_account_namespaces: ["*"],
    token_policies: [PUSH_ROLE],
    audience: "vault",
    token_ttl: "24h",
  });
}

function fleetOf(cluster: Cluster, { address }: VaultProxy, clusters: readonly object[]): object {
  const connect = { kubeconfig: { path: cluster.kubeconfigPath } };
  return {
    apiVersion: "keyferry.dev/v1alpha1",
    kind: "Fleet",
    vaults: [
      { name: "main", addresses: [address], maxRequestDuration: MAX_REQUEST, retention: `${RETENTION_MS / 1_000}s` },
    ],
    clusters: clusters.map((entry) => ({ ...entry, connect })),
  };
}

async function declarePlace(cluster: Cluster, namespace: string, address: string): Promise<void> {
  await cluster.apply([
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "app", namespace } },
    {
      apiVersion: OPERATOR_API,
      kind: "VaultConnection",
      metadata: { name: "default", namespace },
      spec: { address },
    },
    {
      apiVersion: OPERATOR_API,
      kind: "VaultAuth",
      metadata: { name: "default", namespace },
      spec: { method: "kubernetes", mount: MOUNT, kubernetes: { role: ROLE, serviceAccount: "app" } },
    },
  ]);
}
