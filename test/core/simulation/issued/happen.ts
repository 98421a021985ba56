import { API } from "../../world/builders.ts";
import type { MemoryCluster } from "../../world/cluster.ts";
import { base64 } from "../../world/views.ts";
import { vaultOutage } from "../happen.ts";
import type { Processes } from "../processes.ts";
import type { IssuedMonitor } from "./monitor.ts";
import { type HandEdit, type IssuedAction, NAMESPACE } from "./plan.ts";
import { authOf, type IssuedSetting, issuedDeclaration } from "./setting.ts";

export interface IssuedStage {
  readonly setting: IssuedSetting;
  readonly processes: Processes;
  readonly watching: IssuedMonitor;
}

const EDITS: Readonly<Record<Exclude<HandEdit, "delete">, object>> = {
  value: { data: { password: base64("eve") } },
  "extra-key": { data: { extra: base64("1") } },
  label: { metadata: { labels: { "app.kubernetes.io/managed-by": "someone" } } },
};
const SYNCS = ["VaultDynamicSecret", "VaultPKISecret"] as const;

type Doing = {
  readonly [K in IssuedAction["do"]]: (
    stage: IssuedStage,
    action: Extract<IssuedAction, { readonly do: K }>,
    cluster: MemoryCluster | undefined,
  ) => unknown;
};

const DOING: Doing = {
  async declare(_stage, action, cluster) {
    for (const kind of SYNCS) if (kind !== action.kind) await cluster?.delete(sync(kind, action.name));
    await cluster?.apply(issuedDeclaration(action));
  },
  async undeclare(_stage, { name }, cluster) {
    for (const kind of SYNCS) await cluster?.delete(sync(kind, name));
  },
  async refresh(_stage, { at, name }, cluster) {
    const patch = { metadata: { annotations: { "keyferry.dev/refresh": String(at) } } };
    for (const kind of SYNCS) if (await cluster?.get(sync(kind, name))) await cluster?.merge(sync(kind, name), patch);
  },
  "hand-edit": (_stage, { secret, how }, cluster) => handEdit(cluster, secret, how),
  auth(_stage, action, cluster) {
    const auth = authOf(action.cluster, action.login);
    return action.isThere ? cluster?.apply(auth) : cluster?.delete(auth);
  },
  async "revoke-lease"({ setting: { vault } }, { nth }) {
    const leases = vault.liveLeases();
    const lease = leases[nth % Math.max(1, leases.length)];
    // Nobody reaches a Vault that is sealed.
    if (lease && !vault.server.isSealed) await vault.write("sys/leases/revoke", { lease_id: lease.id });
  },
  role: ({ setting: { vault } }, { role, ttl, maxTtl }) =>
    vault.server.isSealed ? undefined : vault.putDatabaseRole(role, { defaultTtl: ttl, maxTtl }),
  answer: ({ watching }, action) => watching.faultsAhead(action),
  crash: ({ processes }, action) => processes.crash(action),
  stall: ({ processes }, action) => processes.stall(action),
  "api-restart": (_stage, _action, cluster) => cluster?.restart(),
  "clock-step": ({ setting }, { ms }) => setting.stepClock(ms),
  "vault-outage": ({ setting }, action) => vaultOutage(setting, setting.trueTime, action),
  "database-down"({ setting }, { ms }) {
    setDown(setting, true);
    setting.trueTime.after(ms, () => setDown(setting, false));
  },
  "cluster-outage"({ setting: { trueTime } }, { how, ms }, cluster) {
    cluster?.fail(how);
    trueTime.after(ms, () => cluster?.fail(undefined));
  },
  "cluster-leaves"({ setting, processes }, { cluster: left, ms }) {
    if (setting.fleet.length < 2) return;
    setting.fleet = setting.fleet.filter(({ name }) => name !== left);
    processes.restart();
    setting.trueTime.after(ms, () => comesBack(setting, processes));
  },
};

/** Does what an action says. What is not there is not done. */
export async function happenIssued(stage: IssuedStage, action: IssuedAction): Promise<void> {
  const cluster = "cluster" in action ? stage.setting.clusters.get(action.cluster) : undefined;
  const work = DOING[action.do] as (stage: IssuedStage, action: IssuedAction, cluster?: MemoryCluster) => unknown;
  await work(stage, action, cluster);
}

export function comesBack(setting: IssuedSetting, processes: Processes): void {
  if (setting.fleet === setting.wholeFleet) return;
  setting.fleet = setting.wholeFleet;
  processes.restart();
}

export function setDown({ vault }: IssuedSetting, isDown: boolean): void {
  const engine = vault.server.engine("database");
  if (engine) engine.isDown = isDown;
}

function sync(kind: string, name: string) {
  return { apiVersion: API, kind, namespace: NAMESPACE, name };
}

async function handEdit(cluster: MemoryCluster | undefined, name: string, how: HandEdit): Promise<void> {
  const ref = { apiVersion: "v1", kind: "Secret", namespace: NAMESPACE, name };
  if (!(await cluster?.get(ref))) return;
  await (how === "delete" ? cluster?.delete(ref) : cluster?.merge(ref, EDITS[how]));
}
