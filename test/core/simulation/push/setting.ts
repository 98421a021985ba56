import type { ClusterSettings } from "../../../../lib/ports/fleet.ts";
import { aCluster } from "../../../builders.ts";
import { aNamespace, aServiceAccount, type ClusterObject, VAULT } from "../../world/builders.ts";
import { type MemoryCluster, memoryCluster } from "../../world/cluster.ts";
import { annotations, aPush } from "../../world/pushing.ts";
import type { WorldTime } from "../../world/time.ts";
import { type MemoryVault, memoryVault } from "../../world/vault.ts";
import { base64 } from "../../world/views.ts";
import type { Dice } from "../random.ts";
import { NAMESPACE, type PushDeclared, type PushPlan, SECRETS } from "./plan.ts";

/** The clusters and the Vault of a run. */
export interface PushSetting {
  readonly plan: PushPlan;
  readonly clusters: ReadonlyMap<string, MemoryCluster>;
  readonly vault: MemoryVault;
  readonly fleet: readonly ClusterSettings[];
  /** Time as Vault and the clusters have it: only keyferry's clock is stepped. */
  readonly trueTime: WorldTime;
  stepClock(ms: number): void;
  offBy(): number;
  /** Gives a Secret a value that it never had. */
  change(cluster: MemoryCluster, secret: string): Promise<void>;
}

/** Vault lets it do everything: what keeps keyferry in its place is fleet.yaml. */
const POLICY = `path "kv/*" { capabilities = ["create", "read", "update", "patch", "delete"] }`;

export async function pushSetting(plan: PushPlan, time: WorldTime, die: Dice): Promise<PushSetting> {
  let [off, changes] = [0, 0];
  const trueTime: WorldTime = { ...time, now: () => time.now() - off };
  const vault = memoryVault({ address: VAULT, time: trueTime });
  const pace = () => die.int(5, 400);
  const clusters = new Map(plan.clusters.map((name) => [name, memoryCluster({ name, time: trueTime, pace })]));
  await vault.enableKv("kv", 2);
  await vault.writePolicy("push", POLICY);
  const setting: PushSetting = {
    ...{ plan, clusters, vault, trueTime, fleet: plan.clusters.map((name) => settingsOf(plan, name)) },
    stepClock(ms) {
      off += ms;
      time.stepClock(ms);
    },
    offBy: () => off,
    async change(cluster, name) {
      const data = { value: base64(`${name}#${++changes}`) };
      const ref = { apiVersion: "v1", kind: "Secret", namespace: NAMESPACE, name };
      if (await cluster.get(ref)) return void (await cluster.merge(ref, { data }));
      await cluster.apply({ ...ref, metadata: { name, namespace: NAMESPACE }, data });
    },
  };
  for (const [name, cluster] of clusters) await welcome(setting, name, cluster);
  return setting;
}

function settingsOf({ secrets, conflict, deletion }: PushPlan, name: string): ClusterSettings {
  const { identity } = aPush();
  const push = aPush({
    ...{ secrets, conflict, deletion, pollEvery: "30s", paths: ["kv/apps/{namespace}/**"] },
    identity: { ...identity, mount: `kubernetes-${name}` },
  });
  return aCluster({ name, makeHmacKey: false, vault: { address: VAULT }, push });
}

async function welcome({ vault, change }: PushSetting, name: string, cluster: MemoryCluster): Promise<void> {
  const mount = `kubernetes-${name}`;
  await vault.enableKubernetesAuth(cluster, { mount });
  await vault.write(`auth/${mount}/role/push`, {
    ...{ bound_service_account_names: "app", bound_service_account_namespaces: NAMESPACE },
    ...{ token_policies: "push", token_ttl: "5m", audience: "vault" },
  });
  await cluster.apply([aNamespace(NAMESPACE), aServiceAccount("app", NAMESPACE)]);
  for (const secret of SECRETS) await change(cluster, secret);
}

/** What is applied to declare a push; of a Secret only its annotations. */
export function annotationsOf({ path, kind, how, secrets, reconciles, preserves }: PushDeclared) {
  const named = secrets.map((name) => ({ name, keys: ["value"], prefix: `${name}_` }));
  return annotations({
    path: `kv/${path}`,
    ...(how === "named" && kind === "Deployment" ? { secrets: JSON.stringify(named) } : {}),
    ...(reconciles ? { reconcile: "30s" } : {}),
    ...(preserves ? { "preserve-on-delete": "true" } : {}),
  });
}

export function workloadOf(declared: PushDeclared): ClusterObject {
  const { name, secrets } = declared;
  const envFrom = secrets.map((secret) => ({ secretRef: { name: secret } }));
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: NAMESPACE, annotations: annotationsOf(declared) },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "app", image: "registry.test/app:1", envFrom }] },
      },
    },
  };
}
