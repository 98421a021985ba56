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
import { type RunningPod, runPod } from "../../harness/pod/pod-runner.ts";
import type { RunnablePod } from "../../harness/pod/pod-shape.ts";
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

export async function agentWorld(flavor: Vault["flavor"], agent: Agent): Promise<AgentWorld> {
  await using started = new AsyncDisposableStack();
  const [cluster, vault, postgres] = await Promise.all([
    startCluster({ name: "agents" }),
    startVault({ flavor }),
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
    async pod(annotations, { settings = {}, given } = {}) {
      const pod = aPod(annotations);
      pod.metadata.namespace = NAMESPACE;
      given?.(pod);
      // Short pauses, so that what fails a few times does so in little time.
      const times = { authMinBackoff: "20ms", authMaxBackoff: "100ms" };
      const outcome = reviewOf(pod, {
        settings: { vaultAddress: vault.address, binary: agent, ...times, ...settings },
      });
      assert.equal(outcome.result, "injected", outcome.reasons.join("\n"));
      const patched = patchedPod(pod, outcome) as unknown as RunnablePod;
      return runPod(patched, { cluster, programs: [program], home: "/home/vault" });
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

async function fill(vault: Vault, cluster: Cluster, postgres: Postgres): Promise<void> {
  await vault.enableKv("kv1", 1);
  await vault.enableKv("kv", 2);
  await vault.putKv("kv1", "db", { username: "u", password: "p" });
  await vault.putKv("kv", "shop", { username: "u", password: PASSWORD, n: 12_345_678_901 });
  await vault.enableDatabase(postgres);
  await vault.putDatabaseRole("app", { defaultTtl: "10m" });
  await vault.writePolicy("app", POLICY);
  await vault.enableKubernetesAuth(cluster);
  await vault.write("auth/kubernetes/role/shop", {
    bound_service_account_names: "shop",
    bound_service_account_namespaces: NAMESPACE,
    token_policies: "app",
    token_ttl: "10m",
  });
}
