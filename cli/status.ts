import { existsSync } from "node:fs";
import { type EpochMs, systemClock } from "../lib/clock.ts";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import { isJudged } from "../lib/kinds.ts";
import type { LeaseStore } from "../lib/reconcile/ports.ts";
import { openTable } from "./lease-table.ts";
import type { StatusFlags } from "./program.ts";
import { type ClusterView, clusterView, humanAge, type SyncView, syncView } from "./status-view.ts";
import { table } from "./table.ts";

interface Status {
  readonly clusters: readonly ClusterView[];
  readonly syncs: readonly SyncView[];
}

/** Shows every sync that the lease table knows; 1 when some sync or cluster has failed. */
export async function statusCommand(flags: StatusFlags): Promise<number> {
  const now = systemClock();
  await using place = await openTable(flags, "read");
  const status = await read(place.leases, await namesOf(flags), now);
  process.stdout.write(flags.output === "json" ? `${JSON.stringify(status, undefined, 2)}\n` : people(status, now));
  const failed = status.syncs.some((sync) => sync.error) || status.clusters.some((cluster) => cluster.state !== "ok");
  return failed ? 1 : 0;
}

/** Clusters that were never looked at are not in the table. A stack's fleet is not this folder's. */
async function namesOf({ stack, fleet }: StatusFlags): Promise<readonly string[]> {
  if (stack !== undefined || !existsSync(fleet)) return [];
  return (await readFleet(fleet)).fleet.clusters.map(({ name }) => name);
}

async function read(store: LeaseStore, inFleet: readonly string[], now: EpochMs): Promise<Status> {
  const [known, circuits] = await Promise.all([store.clusters(), store.circuits()]);
  const names = [...new Set([...inFleet, ...known.map((cluster) => cluster.name)])].sort();
  const syncs: SyncView[] = [];
  for (const name of names) {
    const around = { circuits, cluster: known.find((row) => row.name === name) };
    for (const row of await store.byCluster(name)) {
      if (!isJudged(row.key)) syncs.push(syncView(row, around, now));
    }
  }
  const clusters = names.map((name) =>
    clusterView(
      name,
      known.find((row) => row.name === name),
      circuits,
    ),
  );
  return { clusters, syncs: syncs.sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

function people({ clusters, syncs }: Status, now: EpochMs): string {
  const age = (at: string | undefined): string => (at ? humanAge(now - Date.parse(at)) : "<never>");
  const next = (at: string | undefined): string => (at ? humanAge(Date.parse(at) - now) : "<event>");
  const rows = syncs.map((sync) => [
    sync.key,
    sync.state,
    age(sync.syncedAt),
    next(sync.nextAt),
    sync.error ? `${sync.error.code}: ${sync.error.message}` : "",
  ]);
  const [hidden, shown] = [clusters.filter(isOutOfSight), clusters.filter((cluster) => !isOutOfSight(cluster))];
  const blind = hidden.map(
    (cluster) =>
      `cluster ${cluster.name} can't be looked at since ${age(cluster.outOfSight)}, and what is shown of it is as old: ${describe(cluster)}\n`,
  );
  const troubles = shown
    .filter((cluster) => cluster.state !== "ok")
    .map((cluster) => `cluster ${cluster.name}: ${describe(cluster)}\n`);
  const list = rows.length > 0 ? table(["SYNC", "STATE", "SYNCED", "NEXT", "ERROR"], rows) : "No syncs declared.\n";
  return `${blind.join("")}${list}${troubles.join("")}`;
}

function isOutOfSight({ outOfSight }: ClusterView): boolean {
  return outOfSight !== undefined;
}

function describe(cluster: ClusterView): string {
  if (cluster.error) return `${cluster.error.code}: ${cluster.error.message}`;
  if (cluster.held) {
    const { gone, of } = cluster.held;
    return `${gone} of ${of} declarations are gone, which is too many to be believed: keyferry leaves their Secrets alone (the cluster's own garbage collector may not). If it is meant, run with --accept-absence ${cluster.name}`;
  }
  return "not looked at yet";
}
