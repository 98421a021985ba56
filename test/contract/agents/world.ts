import assert from "node:assert/strict";
import type { InjectorOverrides } from "../../../lib/injector-settings.ts";
import {
  type Cluster,
  obtain,
  type Postgres,
  startCluster,
  startPostgres,
  startVault,
  type Vault,
} from "../../harness/index.ts";
import type { Isolation } from "../../harness/pod/isolation.ts";
import { type RunningPod, runPod } from "../../harness/pod/pod-runner.ts";
import type { RunnablePod } from "../../harness/pod/pod-shape.ts";
import { makeReviewer } from "../../harness/vault/reviewer.ts";
import { aPod, patchedPod, reviewOf, type TestPod } from "../../unit/injector/support.ts";

/** A cluster, a Vault with secrets, and pods that the injector changed and that run on this machine. */

export type Agent = "vault" | "bao";

export interface AgentWorld extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly vault: Vault;
  readonly postgres: Postgres;
  /** A pod with these annotations, after its injection. */
  pod(annotations: Readonly<Record<string, string>>, options?: PodOptions): Promise<RunningPod>;
}

export interface PodOptions {
  readonly isolation?: Isolation;
  /** Whether pods get the certificate of Vault's CA as a setting; yes when not given. */
  readonly hasCa?: boolean;
  readonly settings?: InjectorOverrides;
  readonly given?: (pod: TestPod) => void;
}

/** With what a shell, a template or JSON could change. */
export const PASSWORD = 'it\'s $x `y` \\ & "z" {{ 1 }}';

const NAMESPACE = "shop";

const POLICY = `
path "kv1/*" { capabilities = ["read"] }
path "kv/data/*" { capabilities = ["read"] }
path "database/creds/app" { capabilities = ["read"] }
`;

const ROLE = {
  bound_service_account_names: "shop",
  bound_service_account_namespaces: NAMESPACE,
  token_policies: "app",
  token_ttl: "10m",
};

export async function agentWorld(flavor: Vault["flavor"], agent: Agent): Promise<AgentWorld> {
  await using started = new AsyncDisposableStack();
  const [cluster, vault, postgres] = await Promise.all([
    startCluster({ name: "agents" }),
    startVault({ flavor, tls: true }),
    startPostgres(),
  ]);
  for (const server of [cluster, vault, postgres]) started.use(server);
  const metadata = { namespace: NAMESPACE };
  await cluster.apply([
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { ...metadata, name: "shop" } },
  ]);
  await fill(vault, cluster, postgres);
  const program = await obtain(agent);
  const parts = started.move();
  return {
    cluster,
    vault,
    postgres,
    async pod(annotations, { settings = {}, given, isolation, hasCa = true } = {}) {
      const pod = aPod(annotations);
      pod.metadata.namespace = NAMESPACE;
      given?.(pod);
      // Short pauses, so that what fails a few times does so in little time.
      const times = { authMinBackoff: "20ms", authMaxBackoff: "100ms" };
      const ca = hasCa ? { vaultCaCert: vault.caPem ?? "" } : {};
      const all = { vaultAddress: vault.address, binary: agent, ...times, ...ca, ...settings };
      const outcome = reviewOf(pod, { settings: all });
      assert.equal(outcome.result, "injected", outcome.reasons.join("\n"));
      const patched = patchedPod(pod, outcome) as unknown as RunnablePod;
      return runPod(patched, { cluster, programs: [program], home: "/home/vault", ...(isolation && { isolation }) });
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

async function fill(vault: Vault, cluster: Cluster, postgres: Postgres): Promise<void> {
  await vault.enableKv("kv1", 1);
  await vault.enableKv("kv", 2);
  await vault.putKv("kv1", "db", { username: "u", password: "p" });
  await vault.putKv("kv", "shop", { username: "u", password: PASSWORD, n: 12_345_678_901, "9-odd.name": "odd" });
  await vault.enableDatabase(postgres);
  await vault.putDatabaseRole("app", { defaultTtl: "10m" });
  await vault.writePolicy("app", POLICY);
  await vault.enableKubernetesAuth(cluster);
  await vault.write("auth/kubernetes/role/shop", ROLE);
}

/** A Vault namespace (of OpenBao) with a login of its own, and the secret `kv1/db`. */
export async function makeNamespace({ vault, cluster }: AgentWorld, namespace: string): Promise<void> {
  await vault.write(`sys/namespaces/${namespace}`, {});
  const write = (path: string, body: unknown) => vault.write(path, body, { namespace });
  await write("sys/mounts/kv1", { type: "kv", options: { version: "1" } });
  await write("kv1/db", { username: namespace });
  await write("sys/policies/acl/app", { policy: POLICY });
  await write("sys/auth/kubernetes", { type: "kubernetes" });
  await write("auth/kubernetes/config", {
    kubernetes_host: cluster.url,
    kubernetes_ca_cert: cluster.caPem,
    token_reviewer_jwt: await makeReviewer(cluster),
    disable_local_ca_jwt: true,
  });
  await write("auth/kubernetes/role/shop", ROLE);
}
