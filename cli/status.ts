import { existsSync } from "node:fs";
import { type EpochMs, systemClock } from "../lib/clock.ts";
import { InputError } from "../lib/errors.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import type { SyncKey } from "../lib/keys.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import { isReferenceStatus } from "../lib/resource-kinds.ts";
import { thatOweRestarts } from "../lib/rollout/owed.ts";
import { type EngineView, engineLines, engineView, isEngineWrong } from "./engine-view.ts";
import { type HubView, hubLines, hubsSeen } from "./hub-view.ts";
import { openTable } from "./lease-table.ts";
import { type LeaseView, leaseLookUp, leaseTable } from "./leases.ts";
import { print, printJson, say } from "./output.ts";
import {
  type ClusterView,
  clusterView,
  hasFailed,
  humanAge,
  retainedView,
  type SyncView,
  syncView,
} from "./status-view.ts";
import { table, textLines } from "./table.ts";

export interface StatusFlags {
  readonly fleet: string;
  readonly dataDir: string;
  readonly output: "table" | "json";
  readonly stack?: string;
  readonly leases?: boolean;
}

interface Status {
  readonly engine: EngineView;
  readonly clusters: readonly ClusterView[];
  readonly hubs: readonly HubView[];
  readonly syncs: readonly SyncView[];
  /** Only with --leases. */
  readonly leases?: readonly LeaseView[];
}

/** Shows every sync in the lease table; exits with 1 when a sync or cluster has failed, or no engine works on it. */
export async function statusCommand(flags: StatusFlags): Promise<number> {
  const now = systemClock();
  await using place = await openTable(flags, "read");
  const engine = await engineView(flags, place.leases, now);
  const inFleet = await fleetOf(flags).catch(toldAndNone);
  const hubs = await hubsSeen(place.leases, inFleet);
  const found = await read(place.leases, hubs.clusters, now);
  const status: Status = {
    engine,
    ...found,
    hubs: hubs.views,
    ...(flags.leases && { leases: await leasesOf(flags, place.leases, found.syncs) }),
  };
  if (flags.output === "json") printJson(status);
  else if (status.leases) print(`${textLines(engineLines(engine, flags, now))}${leaseTable(status.leases, now)}`);
  else print(`${textLines(engineLines(engine, flags, now))}${people(status, now)}`);
  const isWrong = status.syncs.some(hasFailed) || status.clusters.some((cluster) => cluster.state !== "ok");
  const isHubWrong = status.hubs.some(({ state }) => state !== "ok");
  return isWrong || isHubWrong || inFleet === undefined || isEngineWrong(engine) ? 1 : 0;
}

/** Each lease with the time that Vault gives it. */
async function leasesOf(
  { stack, dataDir, fleet }: StatusFlags,
  store: LeaseStore,
  syncs: readonly SyncView[],
): Promise<readonly LeaseView[]> {
  if (stack !== undefined) {
    const why = "looks up leases with the keys of a data directory; on AWS the functions' role alone has them";
    throw new InputError("--leases", [`it ${why}: use it without --stack`]);
  }
  const rows = await store.read(
    syncs.map(({ key }) => key as SyncKey),
    "strong",
  );
  await using lookUp = await leaseLookUp(dataDir, fleet, store);
  return lookUp.leasesOf(rows.values());
}

/** Reports a broken fleet file and shows the rest: a running engine continues with the fleet it had. */
function toldAndNone(error: unknown): undefined {
  if (!(error instanceof InputError)) throw error;
  say(error.message);
}

/** It has clusters without a watch pass, which are not in the table. A stack's fleet is not in this folder. */
async function fleetOf({ stack, fleet }: StatusFlags): Promise<Fleet> {
  if (stack !== undefined || !existsSync(fleet)) return { clusters: [], vaults: [], hubs: [] };
  return (await readFleet(fleet)).fleet;
}

async function read(
  store: LeaseStore,
  inFleet: readonly string[],
  now: EpochMs,
): Promise<Pick<Status, "clusters" | "syncs">> {
  const [known, circuits] = await Promise.all([store.clusters(), store.circuits()]);
  const names = [...new Set([...inFleet, ...known.map((cluster) => cluster.name)])].sort();
  const syncs: SyncView[] = [];
  for (const name of names) {
    const around = { circuits, cluster: known.find((row) => row.name === name) };
    const rows = (await store.byCluster(name)).filter(({ key }) => !isReferenceStatus(key));
    const owing = await thatOweRestarts(store, rows);
    for (const row of rows) syncs.push(syncView(row, around, now, owing.get(row.key)));
  }
  // Syncs that left the fleet and still have Vault leases; their clusters are no longer ours.
  const retired = (await store.retired()).map(({ key }) => key);
  for (const row of (await store.read(retired, "strong")).values()) syncs.push(retainedView(row, now));
  const clusters = names.map((name) =>
    clusterView(
      name,
      known.find((row) => row.name === name),
      circuits,
    ),
  );
  return { clusters, syncs: syncs.sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

function people({ clusters, hubs, syncs }: Pick<Status, "clusters" | "hubs" | "syncs">, now: EpochMs): string {
  const age = (at: string | undefined): string => (at ? humanAge(now - Date.parse(at)) : "<never>");
  const next = (at: string | undefined): string => (at ? humanAge(Date.parse(at) - now) : "<event>");
  const rows = syncs.map((sync) => [sync.key, sync.state, age(sync.syncedAt), next(sync.nextAt), wrongWith(sync)]);
  const [hidden, shown] = [clusters.filter(isOutOfSight), clusters.filter((cluster) => !isOutOfSight(cluster))];
  const blind = hidden.map(
    (cluster) =>
      `cluster ${cluster.name} could not be read for ${age(cluster.outOfSight)}, and its syncs below are as old: ${describe(cluster)}`,
  );
  const troubles = shown
    .filter((cluster) => cluster.state !== "ok")
    .map((cluster) => `cluster ${cluster.name}: ${describe(cluster)}`);
  const warnings = clusters.flatMap((cluster) =>
    (cluster.warnings ?? []).map((warning) => `cluster ${cluster.name}: warning: ${warning}`),
  );
  const list = rows.length > 0 ? table(["SYNC", "STATE", "SYNCED", "NEXT", "ERROR"], rows) : "No syncs declared.\n";
  return `${textLines(blind)}${list}${textLines([...troubles, ...hubLines(hubs, now), ...warnings])}`;
}

function isOutOfSight({ outOfSight }: ClusterView): boolean {
  return outOfSight !== undefined;
}

function wrongWith({ error, rollout }: SyncView): string {
  if (error) return `${error.code}: ${error.message}`;
  if (!rollout || rollout.attempts === 0) return "";
  return rollout.message ?? "its workloads could not be restarted; see the condition RolloutRestart";
}

function describe(cluster: ClusterView): string {
  if (cluster.error) return `${cluster.error.code}: ${cluster.error.message}`;
  if (cluster.awaitingApproval) {
    const { gone, of } = cluster.awaitingApproval;
    return `${gone} of ${of} declarations are gone, which awaits approval: keyferry leaves their Secrets alone (the cluster's own garbage collector may not). If they were deleted on purpose, run with --accept-missing ${cluster.name}`;
  }
  return "not read yet";
}
