import type { Effect as AuditEffect } from "../../../lib/audit/effect.ts";
import { type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { EventSink } from "../../../lib/ports/domain-events.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { TrustAnchors } from "../../../lib/ports/fleet-vault.ts";
import type { Taken } from "../../../lib/ports/inlet.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import type { LogFields, Metrics } from "../../../lib/ports/telemetry.ts";
import { openSqliteStore, type SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import type { Json } from "../../../lib/util/json.ts";
import { aCluster } from "../../builders.ts";
import type { KubeObject } from "../../harness/cluster/kube-client.ts";
import { lineAt } from "./audit.ts";
import {
  API,
  aNamespace,
  aServiceAccount,
  aVaultAuth,
  aVaultConnection,
  type ClusterObject,
  type Given,
  isOfVault,
  NAMESPACE,
  VAULT,
} from "./builders.ts";
import { type MemoryCluster, memoryCluster } from "./cluster.ts";
import type { Effect } from "./effects.ts";
import { runEngine } from "./engine.ts";
import { type Keyferry, keyferry } from "./process.ts";
import { type MemoryQueue, memoryQueue, type Transit } from "./queue.ts";
import { type WorldTime, worldTime } from "./time.ts";
import { type MemoryVault, memoryVault } from "./vault.ts";
import { type SecretView, viewOf } from "./views.ts";

export interface WorldOptions {
  /** One cluster, `east`, when not given. */
  readonly clusters?: readonly Partial<ClusterSettings>[];
  /** What becomes of each message. */
  readonly transit?: () => Transit;
  /** Starts no process: the test does, when it likes. */
  readonly isAsleep?: boolean;
  /** Where domain events of all processes go. */
  readonly sink?: EventSink;
  /** What `caFile` of each Vault of fleet.yaml holds. */
  readonly anchors?: TrustAnchors;
}

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly event: string;
  readonly fields?: LogFields | undefined;
  readonly at: number;
}

/** Clusters, a Vault, the lease table and keyferry's processes, in memory, in a time of their own. */
export interface World extends AsyncDisposable {
  readonly time: WorldTime;
  readonly vault: MemoryVault;
  /** Another Vault, which no cluster's declarations name. */
  otherVault(address: string): MemoryVault;
  readonly store: SqliteStore;
  readonly queue: MemoryQueue;
  /** The first cluster, or the one of this name. */
  cluster(name?: string): MemoryCluster;
  /** Applies objects, and writes what paths of Vault hold. */
  given(...things: readonly Given[]): Promise<void>;
  /** Writes to a path of kv, as somebody does in Vault, whose audit log tells keyferry of it at once. */
  vaultWrites(path: string, data: Readonly<Record<string, unknown>>): Promise<{ readonly told: Promise<Taken> }>;
  /** The audit log tells keyferry's process of these effects. Resolves with the acknowledgement, which may take time. */
  tells(...effects: readonly AuditEffect[]): Promise<Taken>;
  /** What was counted so far, by name, and what was measured. */
  readonly metrics: { readonly counts: ReadonlyMap<string, number>; readonly seconds: ReadonlyMap<string, number[]> };
  /** Lets time pass: `30s`, `5m`, `1h`. */
  advance(duration: string): Promise<void>;
  secret(name: string, place?: Place): SecretView | undefined;
  resource(name: string, kind?: string, place?: Place): KubeObject | undefined;
  /** The message of a condition of a resource, behind its status: `True: …`. */
  condition(name: string, type?: string, kind?: string): string;
  events(name: string): readonly { readonly type: string; readonly reason: string; readonly message: string }[];
  /** A person's merge patch. */
  edit(kind: string, name: string, patch: object, place?: Place): Promise<void>;
  remove(kind: string, name: string, place?: Place): Promise<void>;
  row(name?: string, kind?: string): Promise<Row | undefined>;
  key(name?: string, kind?: string): SyncKey;
  /** How often Vault was asked for this path of kv. */
  reads(path: string): number;
  /** What it costs while something happens. */
  counting(work: () => Promise<void>): Promise<Costs>;
  /** Starts another process, which has the work from then on unless it is idle. `effect` is around each of its effects. */
  start(options?: StartOptions): Keyferry;
  /** Every process dies. Leases remain. */
  crash(): void;
  /** Another fleet from the next process on. */
  fleet(change: (clusters: readonly ClusterSettings[]) => readonly ClusterSettings[]): void;
  /** From now on the name leads keyferry to the API server of another cluster of this world. */
  leads(name: string, to: string): void;
  readonly log: readonly LogLine[];
}

export interface StartOptions {
  readonly effect?: Effect;
  readonly isIdle?: boolean;
  readonly sealingKeys?: readonly Buffer[];
  /** The key of MACs that it makes where there is none; missing: it makes none. */
  readonly newMacKey?: Buffer;
}

export interface Costs {
  /** To clusters, watch passes left out. */
  readonly requests: number;
  readonly claims: number;
  readonly settles: number;
  readonly logins: number;
  /** Of kv-v2 in Vault. */
  readonly reads: number;
}

export interface Place {
  readonly cluster?: string;
  readonly namespace?: string;
}

export const START = Date.UTC(2030, 0, 1);
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

export function msOf(duration: string): number {
  const [, count = "", unit = ""] = /^(\d+)(ms|s|m|h)$/.exec(duration) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) throw new Error(`not a duration: ${duration}`);
  return Number(count) * factor;
}

/** Repeatable, and even enough. */
function evenly(): () => number {
  let seed = 1;
  return () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
}

export async function aWorld(options: WorldOptions = {}): Promise<World> {
  const time = worldTime(START);
  const store = openSqliteStore({ path: ":memory:" });
  const queue = memoryQueue({
    ...{ time, choose: (workers) => workers.at(-1) },
    ...(options.transit ? { transit: options.transit } : {}),
  });
  const vault = memoryVault({ address: VAULT, time });
  const vaults = new Map([[VAULT, vault]]);
  let settings = (options.clusters ?? [{}]).map((overrides) => aCluster(overrides));
  const clusters = new Map(settings.map(({ name }) => [name, memoryCluster({ name, time })]));
  const log: LogLine[] = [];
  const line = (level: LogLine["level"]) => (event: string, fields?: LogFields) =>
    void log.push({ level, event, fields, at: time.now() });
  const random = evenly();
  const counts = new Map<string, number>();
  const seconds = new Map<string, number[]>();
  const metrics: Metrics = {
    count: (name, _labels, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    observe: (name, _labels, value) => void seconds.set(name, [...(seconds.get(name) ?? []), value].slice(-1_000)),
  };
  const led = new Map<string, string>();
  let processes: Keyferry[] = [];

  const clusterOf = (name = settings[0]?.name ?? ""): MemoryCluster => {
    const found = clusters.get(name);
    if (!found) throw new Error(`this world has no cluster ${name}`);
    return found;
  };
  const start: World["start"] = ({ effect, sealingKeys, newMacKey, isIdle = false } = {}) => {
    const process = keyferry({
      ...{ time, store, queue, random },
      tokens: store.tokens(),
      clusterOf: (name) => clusters.get(led.get(name) ?? name),
      vaultAt: (address) => vaults.get(address),
      fleet: () => settings,
      log: { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") },
      metrics,
      ...(effect ? { effect } : {}),
      ...(sealingKeys ? { sealingKeys } : {}),
      ...(newMacKey ? { newMacKey } : {}),
      ...(options.sink ? { sink: options.sink } : {}),
      ...(options.anchors ? { anchors: options.anchors } : {}),
    });
    const crashed = (what: string, error: unknown): void => line("error")(`${what}-crashed`, { error: String(error) });
    const engine = { clusters: () => settings, queue, crashed, tickMs: 1_000, horizonMs: 2_000, watchSeconds: 60 };
    if (!isIdle) runEngine(process, engine);
    processes.push(process);
    return process;
  };
  const find = (apiVersion: string, kind: string, name: string, place: Place = {}): KubeObject | undefined => {
    const { server } = clusterOf(place.cluster);
    const served = server.kindOf(apiVersion, kind);
    return served && (server.objects.get(served, place.namespace ?? NAMESPACE, name) as unknown as KubeObject);
  };
  const versionOf = (kind: string): string => {
    const { server } = clusterOf();
    return ["v1", API, "apps/v1", "keyferry.dev/v1alpha1"].find((version) => server.kindOf(version, kind)) ?? API;
  };
  const keyOf: World["key"] = (name = "db", kind = "VaultStaticSecret") =>
    syncKey({ cluster: settings[0]?.name ?? "", kind, namespace: NAMESPACE, name });
  const requests = (): number => [...clusters.values()].reduce((sum, cluster) => sum + cluster.served(), 0);

  const world: World = {
    ...{ time, store, queue, vault, log, start },
    cluster: clusterOf,
    otherVault(address) {
      const other = vaults.get(address) ?? memoryVault({ address, time });
      vaults.set(address, other);
      return other;
    },
    key: keyOf,
    fleet(change) {
      settings = [...change(settings)];
      for (const { name } of settings) if (!clusters.has(name)) clusters.set(name, memoryCluster({ name, time }));
    },
    async given(...things) {
      for (const thing of things) {
        if (isOfVault(thing)) await vault.putKv("kv", thing.vault, thing.data);
        else await clusterOf().apply(thing);
      }
    },
    leads: (name, to) => void led.set(name, to),
    metrics: { counts, seconds },
    async vaultWrites(path, data) {
      const version = await vault.putKv("kv", path, data);
      return { told: world.tells({ kind: "path", path: `kv/${path}`, version }) };
    },
    async tells(...effects) {
      const inlet = processes.at(-1)?.inlet(VAULT);
      if (inlet === undefined) throw new Error("no process is there to be told");
      return inlet.take([lineAt(time.now(), ...effects)], new AbortController().signal);
    },
    advance: (duration) => time.advance(msOf(duration)),
    secret(name, place) {
      const found = find("v1", "Secret", name, place);
      return found && viewOf(found);
    },
    resource: (name, kind = "VaultStaticSecret", place) => find(versionOf(kind), kind, name, place),
    condition(name, type = "Ready", kind) {
      const { conditions = [] } = (world.resource(name, kind)?.status ?? {}) as { conditions?: Json[] };
      const found = conditions.find((condition) => Object(condition).type === type);
      return found === undefined ? "none" : `${Object(found).status}: ${Object(found).message}`;
    },
    events(name) {
      const { server } = clusterOf();
      const kind = server.kindOf("v1", "Event");
      const all = kind ? server.objects.list(kind) : [];
      return all
        .filter(({ involvedObject }) => Object(involvedObject).name === name)
        .map(({ type, reason, message }) => ({ type: String(type), reason: String(reason), message: String(message) }));
    },
    async edit(kind, name, patch, place = {}) {
      const { namespace = NAMESPACE } = place;
      await clusterOf(place.cluster).merge({ apiVersion: versionOf(kind), kind, namespace, name }, patch);
    },
    async remove(kind, name, place = {}) {
      await clusterOf(place.cluster).delete({
        apiVersion: versionOf(kind),
        kind,
        namespace: place.namespace ?? NAMESPACE,
        name,
      });
    },
    async row(name, kind) {
      const key = keyOf(name, kind);
      return (await store.read([key], "strong")).get(key);
    },
    reads: (path) => vault.server.audit.get(`read kv/data/${path}`) ?? 0,
    async counting(work) {
      const of = (): Costs => ({
        requests: requests(),
        claims: store.counts().claim ?? 0,
        settles: store.counts().settle ?? 0,
        logins: [...vault.server.audit].reduce((sum, [name, times]) => sum + (name.endsWith("/login") ? times : 0), 0),
        reads: [...vault.server.audit].reduce(
          (sum, [name, times]) => sum + (name.startsWith("read kv/data/") ? times : 0),
          0,
        ),
      });
      const before = of();
      await work();
      const after = of();
      const less = (name: keyof Costs): number => after[name] - before[name];
      return {
        requests: less("requests"),
        claims: less("claims"),
        settles: less("settles"),
        logins: less("logins"),
        reads: less("reads"),
      };
    },
    crash() {
      for (const process of processes) process.crash();
      processes = [];
    },
    async [Symbol.asyncDispose]() {
      world.crash();
      await time.settled();
      await store[Symbol.asyncDispose]();
      const bugs = log.filter(({ event }) => event.endsWith("-crashed"));
      if (bugs.length > 0) throw new Error(`keyferry met a bug: ${JSON.stringify(bugs.slice(0, 3))}`);
    },
  };
  await furnish(vault, clusters);
  if (options.isAsleep !== true) start();
  return world;
}

/** A kv mount of each version, the engines that issue, and in each cluster a login, its defaults, and a team's namespace. */
async function furnish(vault: MemoryVault, clusters: ReadonlyMap<string, MemoryCluster>): Promise<void> {
  await vault.enableKv("kv", 2);
  await vault.enableKv("old", 1);
  await vault.writePolicy(
    "app",
    'path "kv/*" { capabilities = ["read"] } path "old/*" { capabilities = ["read"] } path "kv/data/closed/*" { capabilities = ["deny"] }' +
      'path "database/*" { capabilities = ["read"] } path "kubernetes/*" { capabilities = ["update"] } path "pki/*" { capabilities = ["read", "update"] }',
  );
  await Promise.all([vault.enableDatabase(), vault.enableKubernetesSecrets(), vault.enablePki()]);
  for (const [name, cluster] of clusters) {
    const mount = `kubernetes-${name}`;
    await vault.enableKubernetesAuth(cluster, { mount });
    await vault.write(`auth/${mount}/role/app`, {
      ...{ bound_service_account_names: "*", bound_service_account_namespaces: "*" },
      ...{ token_policies: "app", token_ttl: "1h" },
    });
    const defaults: readonly ClusterObject[] = [
      aNamespace("vso"),
      aVaultConnection("default", VAULT, "vso"),
      aVaultAuth("default", { mount, allowedNamespaces: ["*"] }, "vso"),
      aNamespace(NAMESPACE),
      aServiceAccount("app"),
    ];
    await cluster.apply(defaults);
  }
}
