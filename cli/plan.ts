import { destination } from "pino";
import { SECOND_MS, systemClock } from "../lib/clock.ts";
import { type Surveyed, survey } from "../lib/discovery/survey.ts";
import type { FleetCluster } from "../lib/fleet/fleet.ts";
import { budgetsOfFleet, reachOfFleet, trustAnchors } from "../lib/fleet/vaults.ts";
import type { ComposedFleet } from "../lib/hubs/compose.ts";
import { parseKey, type SyncKey } from "../lib/keys.ts";
import { KINDS } from "../lib/kinds/registry.ts";
import type { ClusterClients } from "../lib/kubernetes/cluster-client.ts";
import { kubernetesApis } from "../lib/kubernetes/kubernetes-apis.ts";
import { departures } from "../lib/plan/departures.ts";
import { type Planner, planner } from "../lib/plan/plan.ts";
import { notingReleases } from "../lib/plan/plan-releases.ts";
import type { Planned } from "../lib/plan/planned.ts";
import type { WorkQueue } from "../lib/ports/queue.ts";
import type { ResourceApi } from "../lib/ports/resources.ts";
import type { Row } from "../lib/ports/rows.ts";
import type { SecretApi } from "../lib/ports/secrets.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import { caCache } from "../lib/references/ca-cache.ts";
import type { SqliteStore } from "../lib/store/sqlite/sqlite-store.ts";
import { jsonLog } from "../lib/telemetry/log.ts";
import { prometheusMetrics } from "../lib/telemetry/metrics.ts";
import { goTemplates } from "../lib/templates/template-engine.ts";
import { type OpenVaultApi, vaultApi } from "../lib/vault/vault-api.ts";
import { knownKeys, matchedKeys, mustBeKeys, refuse } from "./chosen-keys.ts";
import { type HubGaps, hasGaps, hubGaps, NO_GAPS } from "./hub-gaps.ts";
import { print, printJson, say } from "./output.ts";
import { type PlanInputs, type PlanSource, planInputs } from "./plan-inputs.ts";
import { type ClusterPlan, planText, planView } from "./plan-view.ts";
import { reachedFleet } from "./reached-fleet.ts";
import { stopSignal, WITH_HANG_UP } from "./stop-signal.ts";

export interface PlanFlags extends PlanSource {
  readonly output: "table" | "json";
}

/** How long revoking tokens may take at exit. */
const REVOKE_MS = 5 * SECOND_MS;
/** How many groups of syncs are planned at once; those of a group read the same path. */
const AT_ONCE = 24;

/**
 * Shows what a run would change, and why, without writes. Exits with 1 if a sync would fail, else with 3 if there are
 * changes, else with 0.
 */
export async function planCommand(texts: readonly string[], flags: PlanFlags): Promise<number> {
  const inputs = await planInputs(flags);
  await using store = inputs.store;
  // Before any cluster is read, which takes long.
  await mustBeKeys(texts, () => knownKeys(store));
  const stop = stopSignal(() => say("stopped: revoking tokens"), WITH_HANG_UP);
  // Exec plugins as the functions of a stack do it.
  const from = {
    own: inputs.fleet,
    files: inputs.files,
    leases: store,
    log: silent,
    mayExec: flags.stack === undefined,
  };
  const { clients, stored, fleet, close } = await reachedFleet(from, stop);
  const byName = new Map(fleet.clusters.map((cluster) => [cluster.name, cluster]));
  const noted = notingReleases(store, fleet.clusters);
  const apis = readOnlyApis({ ...inputs, fleet, clients, leases: noted.leases });
  try {
    const departed = await departures(store, [stored, fleet], { clock: systemClock, log: silent });
    const { hubs, clusters: chosen } = named(texts, fleet);
    const clusters = await surveyed(apis, chosen, stop);
    const isWhole = !hasGaps(hubs) && clusters.every(({ errors }) => errors.length === 0);
    const letGo = [...departed.syncs, ...noted.released()];
    const { rows, released } = await chosenWork(store, letGo, clusters, { texts, isWhole });
    say(`planning ${rows.length} ${rows.length === 1 ? "sync" : "syncs"}`);
    const planned = [...(await plannedOf(apis.planner, rows, byName, stop)), ...released];
    // Cancelled syncs look like failures, but are not.
    if (stop.aborted) return 1;
    const view = planView(clusters, planned.sort(byKey), {
      hubs,
      departed: texts.length === 0 ? departed.clusters : [],
    });
    if (flags.output === "json") printJson(view);
    else print(planText(view, flags.stack));
    return view.exitCode;
  } finally {
    await apis.vault.revokeAll(AbortSignal.timeout(REVOKE_MS));
    await apis.vault.close();
    await apis.templates.close();
    await close();
  }
}

const silent = jsonLog("silent", destination({ fd: 2, sync: true }));

interface ReadOnlyApis {
  readonly planner: Planner;
  readonly vault: OpenVaultApi;
  readonly templates: ReturnType<typeof goTemplates>;
  readonly survey: (cluster: FleetCluster, signal: AbortSignal) => Promise<Surveyed>;
}

interface Read extends Omit<PlanInputs, "store"> {
  readonly clients: ClusterClients;
  readonly leases: LeaseStore;
}

/** The APIs of a run without writes: where a run observes a Secret by an empty patch, a plan uses a dry run. */
function readOnlyApis({ clients, leases, fleet, files, digestKey, installation }: Read): ReadOnlyApis {
  const clock = systemClock;
  const apis = kubernetesApis({ clients, clock, log: silent });
  const vault = vaultApi({
    clock,
    credentials: apis.credentials,
    log: silent,
    reachOf: reachOfFleet(() => fleet),
    budgetOf: budgetsOfFleet(() => fleet),
  });
  const secrets: Pick<SecretApi, "observe" | "ownedNames"> = {
    ownedNames: apis.secrets.ownedNames,
    observe: (secret, how, signal) => apis.secrets.observe(secret, how === "get" ? "get" : "dry-run", signal),
  };
  const resources: ResourceApi = { get: apis.resources.get, ...NO_WRITES };
  const templates = goTemplates(clock);
  const anchors = trustAnchors(() => fleet.vaults, files);
  const ca = caCache({ credentials: apis.credentials, clock, anchors });
  const discovery = {
    ...{ leases, clusters: apis.clusters, resources, installation, clock, log: silent },
    ...{ queue: NO_QUEUE, random: Math.random, metrics: prometheusMetrics() },
  };
  return {
    vault,
    templates,
    planner: planner({
      ...{ leases, vault, writes: vault.writes, templates, secrets, resources, clusters: apis.clusters, clock, ca },
      digestKey,
      kinds: KINDS,
      random: Math.random,
      log: silent,
    }),
    survey: (cluster, signal) => survey(discovery, cluster, signal),
  };
}

const NO_QUEUE: WorkQueue = { send: async () => undefined };

/** Discovery removes finalizers of deleted resources and writes their status; a plan does not. */
const NO_WRITES: Omit<ResourceApi, "get"> = {
  writeStatus: () => Promise.reject(new Error("a plan writes no status")),
  emit: async () => undefined,
  change: async () => undefined,
  removeFinalizers: async () => undefined,
};

/** The clusters that may have these keys, and where others may be missing. */
function named(
  texts: readonly string[],
  fleet: ComposedFleet,
): { readonly clusters: readonly FleetCluster[]; readonly hubs: HubGaps } {
  const { clusters } = fleet;
  const names = texts.map((text) => parseKey(text)?.cluster ?? "*");
  const isEach = names.length > 0 && names.every((name) => clusters.some((cluster) => cluster.name === name));
  if (!isEach) return { clusters, hubs: hubGaps(fleet) };
  return { clusters: clusters.filter(({ name }) => names.includes(name)), hubs: NO_GAPS };
}

function surveyed(
  apis: ReadOnlyApis,
  clusters: readonly FleetCluster[],
  signal: AbortSignal,
): Promise<readonly ClusterPlan[]> {
  return Promise.all(
    clusters.map(async (cluster) => {
      say(`reading cluster ${cluster.name}`);
      return { name: cluster.name, ...(await apis.survey(cluster, signal)) };
    }),
  );
}

/**
 * Plans only clusters that could be read, because the declarations of the others are unknown. Throws an InputError for
 * texts without a match, unless the fleet was not read as a whole: then they may be in what is missing.
 */
async function chosenWork(
  store: SqliteStore,
  released: readonly Planned[],
  clusters: readonly ClusterPlan[],
  { texts, isWhole }: { readonly texts: readonly string[]; readonly isWhole: boolean },
): Promise<{ readonly rows: readonly Row[]; readonly released: readonly Planned[] }> {
  const names = clusters.map(({ name }) => name);
  const all = new Set([...(await knownKeys(store, names)), ...released.map(({ key }) => key)]);
  const known = async () => [...all].sort();
  const { keys: matched, missing } = await matchedKeys(texts, async (key) => all.has(key), known);
  if (isWhole) refuse(texts, missing);
  for (const { text } of missing) say(`${text}: not planned, because not everything could be read`);
  const keys = new Set(texts.length === 0 ? all : matched);
  return {
    rows: [...(await store.read([...keys], "strong")).values()],
    released: released.filter(({ key }) => keys.has(key)),
  };
}

async function plannedOf(
  plans: Planner,
  rows: readonly Row[],
  clusters: ReadonlyMap<string, FleetCluster>,
  signal: AbortSignal,
): Promise<readonly Planned[]> {
  const groups = [...Map.groupBy(rows, ({ declared }) => declared.group).values()].values();
  const done: Planned[] = [];
  const work = async (): Promise<void> => {
    for (const group of groups) {
      const settings = clusters.get(clusterOf(group));
      if (settings) done.push(...(await plans.plan(group, settings, signal)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return done;
}

function byKey(a: Planned, b: Planned): number {
  return a.key < b.key ? -1 : 1;
}

/** All keys of a group are in one cluster. */
function clusterOf([first]: readonly { readonly key: SyncKey }[]): string {
  return (first && parseKey(first.key)?.cluster) ?? "";
}
