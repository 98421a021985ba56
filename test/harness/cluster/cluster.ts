import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { reservePorts } from "../process/ports.ts";
import { type Server, startServer } from "../process/server.ts";
import { tempFolder } from "../process/temp-folder.ts";
import { apiServerSpec, apiUrl, controllerManagerSpec, etcdData, etcdSpec, type Plan } from "./control-plane.ts";
import { makeCredentials } from "./credentials.ts";
import { type IdentityOptions, type ServiceAccountOptions, userOf } from "./identity.ts";
import { type KubeClient, kubeClient } from "./kube-client.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { parseRequestCounts, type RequestCounts } from "./metrics.ts";

export interface ClusterOptions {
  /** Names its contexts and its servers in messages; `test` when not given. */
  readonly name?: string;
  /** Beside those that are on by default, e.g. `OwnerReferencesPermissionEnforcement`. */
  readonly admissionPlugins?: readonly string[];
  /** Applied before the controllers start: the garbage collector notices later ones only after up to 30 s. */
  readonly crds?: readonly object[];
  /** Controllers beside garbage collector, namespaces and service accounts, e.g. `deployment-controller`. */
  readonly controllers?: readonly string[];
  /** Further flags of kube-apiserver. */
  readonly apiServerArgs?: readonly string[];
}

/** A real control plane (etcd, kube-apiserver, kube-controller-manager) without nodes: pods are never run. */
export interface Cluster extends KubeClient {
  readonly name: string;
  readonly url: string;
  readonly caPem: string;
  /** A kubeconfig of the admin, as a file and as text. */
  readonly kubeconfigPath: string;
  readonly adminKubeconfig: string;
  /** Issuer and public key of its service accounts' tokens. */
  readonly issuer: string;
  readonly serviceAccountPublicKeyPem: string;
  readonly servers: { readonly etcd: Server; readonly api: Server; readonly controllers: Server };
  /** A kubeconfig (text) of a service account, by a token, or of a user with groups, by a certificate. */
  kubeconfigFor(identity: IdentityOptions): Promise<string>;
  /** A client of such an identity, to see what it may do. */
  clientFor(identity: IdentityOptions): Promise<KubeClient>;
  /** A token by TokenRequest; one hour and the API server's audience when not given. */
  tokenFor(account: ServiceAccountOptions): Promise<string>;
  /** What the API server itself counted since its start. */
  metrics(): Promise<RequestCounts>;
  /** The API server again on the same port with the same etcd data. */
  restart(): Promise<void>;
  /** The API server stays connected and answers nothing. */
  pause(): void;
  resume(): void;
  /** A copy of etcd's data; the cluster is down for a moment. */
  snapshotEtcd(): Promise<EtcdSnapshot>;
  /** What a restore from a backup does: the world, and the resourceVersions, of then. */
  restoreEtcd(snapshot: EtcdSnapshot): Promise<void>;
}

export interface EtcdSnapshot {
  readonly path: string;
}

const CONTROLLERS = [
  "garbage-collector-controller",
  "namespace-controller",
  "serviceaccount-controller",
  "root-ca-certificate-publisher-controller",
  "clusterrole-aggregation-controller",
];

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const name = options.name ?? "test";
  await using started = new AsyncDisposableStack();
  const folder = started.use(await tempFolder(`cluster-${name}`));
  const [api, etcd, etcdPeer, controllers] = (await reservePorts(4)).map((port) => started.use(port).port) as Ports;
  const plan: Plan = {
    name,
    folder: folder.path,
    credentials: await makeCredentials(name, join(folder.path, "credentials")),
    ports: { api, etcd, etcdPeer, controllers },
    admissionPlugins: options.admissionPlugins ?? [],
    controllers: [...CONTROLLERS, ...(options.controllers ?? [])],
    apiServerArgs: options.apiServerArgs ?? [],
  };
  const { admin: adminCert, ca } = plan.credentials;
  const client = started.use(kubeClient(apiUrl(plan), { caPem: ca.pem, ...adminCert }));
  const servers = await startServers(plan, client, options.crds ?? [], started);
  const adminKubeconfig = kubeconfig(name, apiUrl(plan), ca.pem, adminCert);
  const kubeconfigPath = join(folder.path, "admin.kubeconfig");
  await writeFile(kubeconfigPath, adminKubeconfig, { mode: 0o600 });
  return cluster({ plan, client, servers, adminKubeconfig, kubeconfigPath, parts: started.move() });
}

type Ports = [api: number, etcd: number, etcdPeer: number, controllers: number];
type Servers = Cluster["servers"];

async function startServers(
  plan: Plan,
  client: KubeClient,
  crds: readonly object[],
  started: AsyncDisposableStack,
): Promise<Servers> {
  const etcd = started.use(await startServer(await etcdSpec(plan)));
  const api = started.use(await startServer(await apiServerSpec(plan)));
  await serveKinds(client, crds);
  const controllers = started.use(await startServer(await controllerManagerSpec(plan)));
  // The default account is the last thing that a new cluster lacks: a test may create pods' templates and tokens at once.
  await client.waitFor("the default service account", () =>
    client.get({ apiVersion: "v1", kind: "ServiceAccount", namespace: "default", name: "default" }),
  );
  return { etcd, api, controllers };
}

/** Every group with its kinds, in one answer: what controllers look at. */
const DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Applies CRDs and waits until discovery names them: that is a moment after they are established. */
async function serveKinds(client: KubeClient, crds: readonly object[]): Promise<void> {
  if (crds.length === 0) return;
  for (const crd of await client.apply(crds)) {
    await client.waitFor(`CRD ${crd.metadata.name}`, async () =>
      JSON.stringify((await client.get(crd))?.status ?? {}).includes('"type":"Established"'),
    );
  }
  const kinds = (crds as { spec: { names: { kind: string } } }[]).map(({ spec }) => spec.names.kind);
  await client.waitFor(`discovery to name ${kinds.join(", ")}`, async () => {
    const { text } = await client.request("GET", "/apis", undefined, { headers: { accept: DISCOVERY } });
    return kinds.every((kind) => text.includes(`"kind":"${kind}"`));
  });
}

interface Parts {
  readonly plan: Plan;
  readonly client: KubeClient;
  readonly servers: Servers;
  readonly adminKubeconfig: string;
  readonly kubeconfigPath: string;
  readonly parts: AsyncDisposableStack;
}

function cluster({ plan, client, servers, adminKubeconfig, kubeconfigPath, parts }: Parts): Cluster {
  const { ca, serviceAccounts } = plan.credentials;
  const url = apiUrl(plan);
  let snapshots = 0;
  const whileDown = async (work: () => Promise<void>): Promise<void> => {
    // Killed, for a graceful end waits for their open watches; only etcd has data.
    await Promise.all([servers.controllers.kill(), servers.api.kill()]);
    await servers.etcd.stop();
    await work();
    await servers.etcd.start();
    await servers.api.start();
    await servers.controllers.start();
  };
  const tokenFor: Cluster["tokenFor"] = async ({ namespace, name, audiences, expirationSeconds = 3_600 }) => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const order = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences, expirationSeconds },
    };
    const { status, body, text } = await client.request<{ status: { token: string } }>("POST", path, order);
    if (status !== 201) throw new Error(`no token for ${namespace}/${name}: ${status} ${text}`);
    return body.status.token;
  };
  return {
    ...client,
    name: plan.name,
    url,
    caPem: ca.pem,
    kubeconfigPath,
    adminKubeconfig,
    issuer: url,
    serviceAccountPublicKeyPem: serviceAccounts.publicPem,
    servers,
    tokenFor,
    kubeconfigFor: async (identity) => kubeconfig(plan.name, url, ca.pem, await userOf(identity, ca, tokenFor)),
    clientFor: async (identity) => kubeClient(url, { caPem: ca.pem, ...(await userOf(identity, ca, tokenFor)) }),
    async metrics() {
      return parseRequestCounts((await client.request("GET", "/metrics")).text);
    },
    restart: () => servers.api.restart(),
    pause: () => servers.api.pause(),
    resume: () => servers.api.resume(),
    async snapshotEtcd() {
      const path = join(plan.folder, `snapshot-${++snapshots}`);
      await whileDown(() => cp(etcdData(plan), path, { recursive: true }));
      return { path };
    },
    restoreEtcd: (snapshot) =>
      whileDown(async () => {
        await rm(etcdData(plan), { recursive: true });
        await cp(snapshot.path, etcdData(plan), { recursive: true });
      }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
