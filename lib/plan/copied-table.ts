import type { EpochMs } from "../clock.ts";
import type { Row } from "../ports/rows.ts";
import type { ClusterRow, LeaseStore, Schedule } from "../ports/store.ts";
import { parallel } from "../util/parallel.ts";

/** What a copy reads of a lease table that others work on. */
export type Original = Pick<
  LeaseStore,
  "clusters" | "hubs" | "hubState" | "byCluster" | "read" | "referencesOf" | "circuits"
>;

/** Rows that are read at once. */
const ROWS = 500;

/**
 * Copies rows, references, clusters, hubs and circuits of a lease table into an empty one, for a plan. Leases end: the copy
 * has no workers. Retired rows stay behind, because no plan concerns them. Writes nothing to the original.
 */
export async function copyTable(from: Original, to: LeaseStore, now: EpochMs): Promise<void> {
  const clusters = await from.clusters();
  await parallel(clusters, (cluster) => copyCluster(from, to, cluster, now));
  for (const { name } of await from.hubs()) await copyHub(from, to, name, now);
  for (const circuit of await from.circuits()) await to.openCircuit(circuit);
}

async function copyHub(from: Original, to: LeaseStore, name: string, now: EpochMs): Promise<void> {
  const claimed = await to.claimHub(name, { now, until: now + 1 });
  if (claimed !== undefined) await to.saveHub(claimed, (await from.hubState(name))?.state, now);
}

async function copyCluster(from: Original, to: LeaseStore, { name, state }: ClusterRow, now: EpochMs): Promise<void> {
  const claimed = await to.claimCluster(name, { now, until: now + 1 });
  if (claimed !== undefined) await to.saveCluster(claimed, state, { dueAt: now });
  for (const reference of await from.referencesOf(name)) await to.putReference(reference);
  const keys = (await from.byCluster(name)).map(({ key }) => key);
  for (let at = 0; at < keys.length; at += ROWS) {
    const rows = await from.read(keys.slice(at, at + ROWS), "strong");
    for (const row of rows.values()) await copyRow(to, row, now);
  }
}

async function copyRow(to: LeaseStore, row: Row, now: EpochMs): Promise<void> {
  await to.declare(row.declared, now);
  const fresh = (await to.read([row.key], "strong")).get(row.key);
  const claimed = fresh && (await to.claim(fresh, { now, until: now + 1 }));
  if (claimed === undefined) return;
  // A clean-up need not wait for the last lease of its declaration.
  const { busyUntil: _until, busyFence: _fence, ...state } = row.state;
  await to.settle(claimed.lease, { state, schedule: scheduleOf(row, now), now });
}

function scheduleOf({ wheel, dueAt, leaseUntil }: Row, now: EpochMs): Schedule {
  if (wheel !== undefined) return { kind: "wheel", slot: wheel };
  if (dueAt === undefined) return { kind: "parked" };
  return { kind: "due", at: leaseUntil === undefined ? dueAt : now };
}
