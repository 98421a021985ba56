import { systemClock } from "../../lib/clock.ts";
import { type ErrorCode, SyncError } from "../../lib/errors.ts";
import {
  type ClusterClients,
  type ClusterClientsOptions,
  clusterClients,
} from "../../lib/kubernetes/cluster-client.ts";
import { type KubernetesApis, kubernetesApis } from "../../lib/kubernetes/kubernetes-apis.ts";
import type { DesiredSecret } from "../../lib/ports/secrets.ts";
import type { Log, LogFields } from "../../lib/ports/telemetry.ts";
import { VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import type { MemoryCluster } from "../core/world/cluster.ts";
import { type Cluster, type ClusterOptions, inForce, type KubeClient, type Rule } from "../harness/index.ts";
import { leastCrd } from "../least-crd.ts";

/** A log that keeps its lines. */
export function keptLog(): Log & { readonly lines: readonly { event: string; fields: LogFields | undefined }[] } {
  const lines: { event: string; fields: LogFields | undefined }[] = [];
  const keep = (event: string, fields?: LogFields) => void lines.push({ event, fields });
  return { lines, debug: keep, info: keep, warn: keep, error: keep };
}

export type TestApis = KubernetesApis & { readonly clients: ClusterClients; readonly log: ReturnType<typeof keptLog> };

/** The ends over whatever `resolve` reaches. */
export function apisOver(options: Partial<ClusterClientsOptions> & Pick<ClusterClientsOptions, "resolve">): TestApis {
  const log = keptLog();
  const clock = options.clock ?? systemClock;
  const clients = clusterClients({ clock, log, ...options });
  return { ...kubernetesApis({ clients, clock, log }), clients, log };
}

/** A real API server answers in the end, however busy the machine is. */
const TIMEOUT_MS = 60_000;

/** What a suite needs of a cluster, a real one or one in memory. */
export type ContractCluster = KubeClient &
  Pick<Cluster, "name" | "adminKubeconfig" | "issuer" | "kubeconfigFor" | "restart"> &
  (Pick<Cluster, "url"> | Pick<MemoryCluster, "clientsFor" | "time">);

export type OpenCluster = (options: ClusterOptions) => Promise<ContractCluster>;

/** The ends of one test cluster, as its admin or as someone with another kubeconfig (text). */
export function endsOf(cluster: ContractCluster, kubeconfig: string = cluster.adminKubeconfig): TestApis {
  if ("clientsFor" in cluster) {
    const log = keptLog();
    const clients = cluster.clientsFor(kubeconfig);
    return { ...kubernetesApis({ clients, clock: cluster.time.now, log }), clients, log };
  }
  return apisOver({ resolve: () => ({ kubeConfig: { text: kubeconfig } }), timeoutMs: TIMEOUT_MS });
}

/** A service account that may do just this in one namespace, as a kubeconfig. */
export async function kubeconfigWith(
  cluster: ContractCluster,
  namespace: string,
  name: string,
  rules: readonly Rule[],
): Promise<string> {
  const rbac = "rbac.authorization.k8s.io";
  await cluster.apply([
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name } },
    { apiVersion: `${rbac}/v1`, kind: "Role", metadata: { namespace, name }, rules },
    {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata: { namespace, name },
      roleRef: { apiGroup: rbac, kind: "Role", name },
      subjects: [{ kind: "ServiceAccount", namespace, name }],
    },
  ]);
  const [first] = rules;
  if (first !== undefined && "url" in cluster) await inForce(cluster, { namespace, name }, first, namespace);
  return cluster.kubeconfigFor({ serviceAccount: { namespace, name } });
}

export async function aNamespace(cluster: ContractCluster, name: string): Promise<string> {
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  return name;
}

/** Something that exists and can own Secrets. */
export async function anOwner(
  cluster: ContractCluster,
  namespace: string,
  name = "owner",
): Promise<DesiredSecret["ownerReference"]> {
  const [owner] = await cluster.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name } });
  return { apiVersion: "v1", kind: "ConfigMap", name, uid: owner?.metadata.uid ?? "" };
}

export function dataOf(values: Readonly<Record<string, string>>): DesiredSecret["data"] {
  return new Map(Object.entries(values).map(([key, value]) => [key, SecretValue.of(value)]));
}

export const OWNER_LABELS = {
  "app.kubernetes.io/managed-by": "hashicorp-vso",
  "app.kubernetes.io/name": "vault-secrets-operator",
  "app.kubernetes.io/component": "secret-sync",
  "secrets.hashicorp.com/vso-ownerRefUID": "an-uid",
};

export const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** The lease of VSO's leader election, renewed just now. */
export function aLease(place: { readonly namespace: string }, holderIdentity: string): object {
  const renewTime = new Date().toISOString().replace("Z", "000Z");
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { ...place, name: "b0d477c0.hashicorp.com" },
    spec: { holderIdentity, leaseDurationSeconds: 15, renewTime },
  };
}

/** What time it is in a cluster. */
export const nowIn = (cluster: ContractCluster): number => ("time" in cluster ? cluster.time.now() : systemClock());

/** A signal that nobody aborts. */
export const patient = (): AbortSignal => new AbortController().signal;

/** For assert.rejects: a SyncError of this code whose message passes. */
export function withCode(code: ErrorCode, message: RegExp = /./): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof SyncError)) throw error;
    if (error.code !== code || !message.test(error.message)) {
      throw new Error(`expected ${code} ${message}, got ${error.code}: ${error.message}`);
    }
    return true;
  };
}

/** The least that serves VaultStaticSecrets. */
export const STATIC_SECRET_CRD = leastCrd(VAULT_STATIC_SECRET, {
  status: { required: ["lastGeneration"], properties: { lastGeneration: { type: "integer" } } },
});
