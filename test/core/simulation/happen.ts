import { syncKey } from "../../../lib/keys.ts";
import { API } from "../world/builders.ts";
import type { MemoryCluster } from "../world/cluster.ts";
import type { WorldTime } from "../world/time.ts";
import { base64 } from "../world/views.ts";
import { FOREIGN } from "./monitor.ts";
import { type Action, type HandEdit, SECRETS } from "./plan.ts";
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
export async function happen(stage: Stage, action: Action): Promise<void> {
  const { setting, processes, time } = stage;
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
      return ifThere(cluster, staticSecret(action), () => (cluster ? meanwhile(stage, cluster, action) : undefined));
    case "vault-write":
      return writeAndTell(stage, action.path);
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

type MeanwhileAction = Extract<Action, { do: "meanwhile" }>;

/** How many of its process's effects a run goes on for before it dies: about as many as it takes to write. */
const DEATHS = [1, 2, 3, 4] as const;

/** Makes a run of this sync, and changes something while it is under way. */
async function meanwhile({ processes, time }: Stage, cluster: MemoryCluster, action: MeanwhileAction): Promise<void> {
  const { how, ms, at } = action;
  const work = (process: number): void => {
    const after = DEATHS[ms % DEATHS.length] ?? 0;
    if (how === "die") time.after(ms, () => processes.crash({ process, after, side: "after", forMs: 1_000 + 10 * ms }));
    void time.tracked(change(cluster, action, `${at} again`));
  };
  processes.meanwhile(syncKey({ ...action, kind: "VaultStaticSecret" }), ms, work);
  if (how === "die") return nameAnother(cluster, action);
  return void (await cluster.merge(staticSecret(action), { metadata: { annotations: { touched: String(at) } } }));
}

/** Changes a sync, or its Secret. */
async function change(cluster: MemoryCluster, action: MeanwhileAction, touched: string): Promise<void> {
  const ref = staticSecret(action);
  const spec = Object((await cluster.get(ref))?.spec);
  switch (action.how) {
    case "touch":
      return ifThere(cluster, ref, () => merged(cluster, ref, { metadata: { annotations: { touched } } }));
    case "restarts": {
      const rolloutRestartTargets = spec.rolloutRestartTargets ? null : [{ kind: "Deployment", name: "app" }];
      return ifThere(cluster, ref, () => merged(cluster, ref, { spec: { rolloutRestartTargets } }));
    }
    case "value":
    case "delete":
      return handEdit(cluster, secret({ ...action, secret: String(Object(spec.destination).name) }), action.how);
    case "die":
      return nameAnother(cluster, action);
    default:
      return action.how satisfies never;
  }
}

/** Lets a sync name the next one of the Secrets. */
async function nameAnother(cluster: MemoryCluster, action: MeanwhileAction): Promise<void> {
  const ref = staticSecret(action);
  const found = await cluster.get(ref);
  if (found === undefined) return;
  const at = SECRETS.indexOf(Object(Object(found.spec).destination).name);
  await cluster.merge(ref, { spec: { destination: { name: SECRETS[(at + 1) % SECRETS.length] } } });
}

async function merged(cluster: MemoryCluster, ref: Ref, patch: object): Promise<void> {
  await cluster.merge(ref, patch);
}

/** The audit log tells of two writes in three, perhaps to a process that dies with it. */
async function writeAndTell({ setting, processes }: Stage, path: string): Promise<void> {
  const version = await setting.write(path);
  if (version !== undefined && version % 3 !== 0) processes.tell({ kind: "path", path: `kv/${path}`, version });
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

/** Vault is away, or sealed, for so long. */
export function vaultOutage(
  { vault }: Pick<Setting, "vault">,
  time: Pick<WorldTime, "after">,
  { how, ms }: Omit<Extract<Action, { do: "vault-outage" }>, "do" | "at">,
): void {
  if (how === "sealed") vault.server.isSealed = true;
  else vault.fail(how);
  time.after(ms, () => {
    vault.server.isSealed = false;
    vault.fail(undefined);
  });
}
