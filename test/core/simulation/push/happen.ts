import type { MemoryCluster } from "../../world/cluster.ts";
import { vaultOutage } from "../happen.ts";
import type { Processes } from "../processes.ts";
import type { PushMonitor } from "./monitor.ts";
import { NAMESPACE, type PushAction, type PushDeclared, type SecretChange, type VaultEdit } from "./plan.ts";
import { annotationsOf, type PushSetting, workloadOf } from "./setting.ts";

export interface PushStage {
  readonly setting: PushSetting;
  readonly processes: Processes;
  readonly watching: PushMonitor;
}

type Doing = {
  readonly [K in PushAction["do"]]: (
    stage: PushStage,
    action: Extract<PushAction, { readonly do: K }>,
    cluster: MemoryCluster | undefined,
  ) => unknown;
};

const DOING: Doing = {
  declare: (_stage, action, cluster) => declare(cluster, action),
  async undeclare(_stage, { name }, cluster) {
    await cluster?.delete(refOf(name));
  },
  unannotate: (_stage, { name }, cluster) => ifThere(cluster, refOf(name), { metadata: { annotations: NONE } }),
  scale: (_stage, { name, at }, cluster) => ifThere(cluster, refOf(name), { spec: { replicas: 1 + (at % 5) } }),
  secret: ({ setting }, { secret, how, at }, cluster) => cluster && change(setting, cluster, secret, how, at),
  "hand-edit": ({ setting, watching }, { path, how, at }) => edit(setting, watching, path, how, at),
  answer: ({ watching }, action) => watching.faultsAhead(action),
  crash: ({ processes }, action) => processes.crash(action),
  stall: ({ processes }, action) => processes.stall(action),
  "api-restart": (_stage, _action, cluster) => cluster?.restart(),
  "clock-step": ({ setting }, { ms }) => setting.stepClock(ms),
  "vault-outage": ({ setting }, action) => vaultOutage(setting, setting.trueTime, action),
  "cluster-outage"({ setting: { trueTime } }, { how, ms }, cluster) {
    cluster?.fail(how);
    trueTime.after(ms, () => cluster?.fail(undefined));
  },
};

/** Does what an action says. What is not there is not done. */
export async function happenPush(stage: PushStage, action: PushAction): Promise<void> {
  const cluster = "cluster" in action ? stage.setting.clusters.get(action.cluster) : undefined;
  const work = DOING[action.do] as (stage: PushStage, action: PushAction, cluster?: MemoryCluster) => unknown;
  await work(stage, action, cluster);
  stage.watching.wanted();
}

const NONE = Object.fromEntries(
  ["path", "secrets", "reconcile", "preserve-on-delete"].map((name) => [`vault-sync.io/${name}`, null]),
);

export function refOf(name: string) {
  const of = name.startsWith("s")
    ? { apiVersion: "v1", kind: "Secret" }
    : { apiVersion: "apps/v1", kind: "Deployment" };
  return { ...of, namespace: NAMESPACE, name };
}

/** A Secret keeps its data. */
async function declare(cluster: MemoryCluster | undefined, declared: PushDeclared): Promise<void> {
  if (declared.kind === "Deployment") await cluster?.apply(workloadOf(declared));
  else
    await ifThere(cluster, refOf(declared.name), {
      metadata: { annotations: { ...NONE, ...annotationsOf(declared) } },
    });
}

async function ifThere(cluster: MemoryCluster | undefined, ref: ReturnType<typeof refOf>, patch: object) {
  if (await cluster?.get(ref)) await cluster?.merge(ref, patch);
}

async function change(
  setting: PushSetting,
  cluster: MemoryCluster,
  name: string,
  how: SecretChange,
  at: number,
): Promise<void> {
  if (how === "value") return setting.change(cluster, name);
  if (how === "delete") return cluster.delete(refOf(name));
  await ifThere(cluster, refOf(name), { metadata: { labels: { seen: String(at) } } });
}

/** Nobody reaches a Vault that is sealed. */
async function edit({ vault }: PushSetting, watching: PushMonitor, path: string, how: VaultEdit, at: number) {
  if (vault.server.isSealed) return;
  const newest = watching.newest(path);
  if (how === "write") await vault.putKv("kv", path, { theirs: String(at) });
  else if (how === "same" && newest) await vault.putKv("kv", path, Object.fromEntries(JSON.parse(newest.text)));
  else if (how === "delete") await vault.remove(`kv/data/${path}`);
  else if (how === "forget") await vault.remove(`kv/metadata/${path}`);
}
