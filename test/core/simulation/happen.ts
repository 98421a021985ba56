import { syncKey } from "../../../lib/keys.ts";
import { API } from "../world/builders.ts";
import type { MemoryCluster } from "../world/cluster.ts";
import type { WorldTime } from "../world/time.ts";
import { base64 } from "../world/views.ts";
import { FOREIGN } from "./monitor.ts";
import type { Action, HandEdit } from "./plan.ts";
import type { Processes } from "./processes.ts";
import { declarationOf, ownAuth, type Setting } from "./setting.ts";

export interface Stage {
  readonly setting: Setting;
  readonly processes: Processes;
  readonly time: WorldTime;
}

const EDITS: Readonly<Record<Exclude<HandEdit, "delete">, object>> = {
  value: { data: { value: base64("eve") } },
  "extra-key": { data: { extra: base64("1") } },
  label: { metadata: { labels: { "app.kubernetes.io/managed-by": "someone" } } },
  annotation: { metadata: { annotations: { "example.com/seen": "yes" } } },
};

/** Does what an action says. What is not there is not done. */
export async function happen({ setting, processes, time }: Stage, action: Action): Promise<void> {
  const cluster = "cluster" in action ? setting.clusters.get(action.cluster) : undefined;
  switch (action.do) {
    case "declare":
      return void (await cluster?.apply(declarationOf(action)));
    case "undeclare":
      return cluster?.delete(staticSecret(action), action.orphan ? { propagationPolicy: "Orphan" } : undefined);
    case "touch":
      return ifThere(cluster, staticSecret(action), () =>
        cluster?.merge(staticSecret(action), { metadata: { annotations: { touched: String(action.at) } } }),
      );
    case "meanwhile":
      return ifThere(cluster, staticSecret(action), async () => {
        const key = syncKey({ ...action, kind: "VaultStaticSecret" });
        processes.meanwhile(key, action.ms, () => void time.tracked(change(cluster, action, `${action.at} again`)));
        await cluster?.merge(staticSecret(action), { metadata: { annotations: { touched: String(action.at) } } });
      });
    case "vault-write":
      return setting.write(action.path);
    case "vault-lag":
      return lag(setting, action.path, time, action.ms);
    case "hand-edit":
      return handEdit(cluster, secret(action), action.how);
    case "foreign-secret":
      return foreign(cluster, secret(action));
    case "auth":
      return setAuth(cluster, action.namespace, action.isThere);
    case "crash":
      return processes.crash(action);
    case "stall":
      return processes.stall(action);
    case "vault-outage":
      return vaultOutage(setting, time, action);
    case "cluster-outage":
      cluster?.fail(action.how);
      return void time.after(action.ms, () => cluster?.fail(undefined));
    case "api-restart":
      return cluster?.restart();
    case "clock-step":
      return time.stepClock(action.ms);
    default:
      return action satisfies never;
  }
}

interface Ref {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const staticSecret = ({ namespace, name }: { namespace: string; name: string }): Ref => ({
  ...{ apiVersion: API, kind: "VaultStaticSecret", namespace, name },
});
const secret = (of: { namespace: string; secret: string }): Ref => ({
  ...{ apiVersion: "v1", kind: "Secret", namespace: of.namespace, name: of.secret },
});

async function ifThere(
  cluster: MemoryCluster | undefined,
  ref: Ref,
  work: () => Promise<void> | undefined,
): Promise<void> {
  if (await cluster?.get(ref)) await work();
}

/** Changes a sync, or its Secret. */
async function change(
  cluster: MemoryCluster | undefined,
  { how, ...action }: Extract<Action, { do: "meanwhile" }>,
  touched: string,
): Promise<void> {
  const ref = staticSecret(action);
  const found = await cluster?.get(ref);
  if (!cluster || !found) return;
  const spec = Object(found.spec);
  switch (how) {
    case "touch":
      return void (await cluster.merge(ref, { metadata: { annotations: { touched } } }));
    case "restarts": {
      const rolloutRestartTargets = spec.rolloutRestartTargets ? null : [{ kind: "Deployment", name: "app" }];
      return void (await cluster.merge(ref, { spec: { rolloutRestartTargets } }));
    }
    case "value":
    case "delete":
      return handEdit(cluster, secret({ ...action, secret: String(spec.destination.name) }), how);
    default:
      return how satisfies never;
  }
}

function lag({ vault }: Setting, path: string, time: WorldTime, ms: number): void {
  vault.server.kv("kv")?.lag(path, 1);
  time.after(ms, () => vault.server.kv("kv")?.lag(path, 0));
}

async function handEdit(cluster: MemoryCluster | undefined, ref: Ref, how: HandEdit): Promise<void> {
  await ifThere(cluster, ref, () => (how === "delete" ? cluster?.delete(ref) : cluster?.merge(ref, EDITS[how])));
}

async function foreign(cluster: MemoryCluster | undefined, ref: Ref): Promise<void> {
  if (!cluster || (await cluster.get(ref))) return;
  const metadata = { name: ref.name, namespace: ref.namespace, labels: { [FOREIGN]: "yes" } };
  await cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: { mine: base64("mine") } });
}

export async function setAuth(cluster: MemoryCluster | undefined, namespace: string, isThere: boolean): Promise<void> {
  if (!cluster) return;
  const auth = ownAuth(cluster.name, namespace);
  if (!isThere) return cluster.delete(auth);
  if (!(await cluster.get(auth))) await cluster.apply(auth);
}

function vaultOutage({ vault }: Setting, time: WorldTime, { how, ms }: Extract<Action, { do: "vault-outage" }>): void {
  if (how === "sealed") vault.server.isSealed = true;
  else vault.fail(how);
  time.after(ms, () => {
    vault.server.isSealed = false;
    vault.fail(undefined);
  });
}
