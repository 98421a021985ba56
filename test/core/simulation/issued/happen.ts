import { API } from "../../world/builders.ts";
import type { MemoryCluster } from "../../world/cluster.ts";
import { base64 } from "../../world/views.ts";
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

/** Does what an action says. What is not there is not done. */
export async function happenIssued(stage: IssuedStage, action: IssuedAction): Promise<void> {
  const { setting, processes } = stage;
  const { vault } = setting;
  const cluster = "cluster" in action ? setting.clusters.get(action.cluster) : undefined;
  switch (action.do) {
    case "declare": {
      const others = SYNCS.filter((kind) => kind !== action.kind);
      for (const kind of others) await cluster?.delete(sync(kind, action.name));
      return void (await cluster?.apply(issuedDeclaration(action)));
    }
    case "undeclare":
      for (const kind of SYNCS) await cluster?.delete(sync(kind, action.name));
      return;
    case "refresh": {
      const patch = { metadata: { annotations: { "keyferry.dev/refresh": String(action.at) } } };
      for (const kind of SYNCS)
        if (await cluster?.get(sync(kind, action.name))) await cluster?.merge(sync(kind, action.name), patch);
      return;
    }
    case "hand-edit":
      return handEdit(cluster, action.secret, action.how);
    case "auth": {
      const auth = authOf(action.cluster, action.login);
      if (!action.isThere) return cluster?.delete(auth);
      return void (await cluster?.apply(auth));
    }
    case "revoke-lease": {
      const leases = vault.liveLeases();
      const lease = leases[action.nth % Math.max(1, leases.length)];
      // Nobody reaches a Vault that is sealed.
      if (lease && !vault.server.isSealed) await vault.write("sys/leases/revoke", { lease_id: lease.id });
      return;
    }
    case "role":
      if (vault.server.isSealed) return;
      return vault.putDatabaseRole(action.role, { defaultTtl: action.ttl, maxTtl: action.maxTtl });
    case "answer":
      return stage.watching.faultsAhead(action);
    case "crash":
      return processes.crash(action);
    case "stall":
      return processes.stall(action);
    case "api-restart":
      return cluster?.restart();
    case "clock-step":
      return setting.stepClock(action.ms);
    case "vault-outage":
    case "database-down":
    case "cluster-outage":
    case "cluster-leaves":
      return forATime(stage, cluster, action);
    default:
      return action satisfies never;
  }
}

type Lasting = Extract<
  IssuedAction,
  { readonly ms: number; readonly do: `${string}-outage` | "database-down" | "cluster-leaves" }
>;

function forATime({ setting, processes }: IssuedStage, cluster: MemoryCluster | undefined, action: Lasting): void {
  const { vault, trueTime } = setting;
  const over = (work: () => void): void => void trueTime.after(action.ms, work);
  switch (action.do) {
    case "vault-outage":
      if (action.how === "sealed") vault.server.isSealed = true;
      else vault.fail(action.how);
      return over(() => {
        vault.server.isSealed = false;
        vault.fail(undefined);
      });
    case "database-down":
      setDown(setting, true);
      return over(() => setDown(setting, false));
    case "cluster-outage":
      cluster?.fail(action.how);
      return over(() => cluster?.fail(undefined));
    case "cluster-leaves":
      if (setting.fleet.length < 2) return;
      setting.fleet = setting.fleet.filter(({ name }) => name !== action.cluster);
      processes.restart();
      return over(() => comesBack(setting, processes));
    default:
      return action satisfies never;
  }
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
