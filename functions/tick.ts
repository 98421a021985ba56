import { sqsBacklog } from "../lib/aws/backlog.ts";
import type { Deadline } from "../lib/aws/deadline.ts";
import { sqsDiscoveryQueue } from "../lib/aws/discovery-queue.ts";
import { NOTHING_TOLD } from "../lib/aws/function-traces.ts";
import { MESSAGES_PER_INVOCATION } from "../lib/aws/queue-record.ts";
import { isOutage } from "../lib/circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../lib/clock.ts";
import { releaseDeparted } from "../lib/discovery/departed.ts";
import { clustersOutOfSight } from "../lib/discovery/out-of-sight.ts";
import type { Hub } from "../lib/fleet/hub-schema.ts";
import { forgetHubs } from "../lib/hubs/live-fleet.ts";
import { placeOfHub } from "../lib/hubs/places.ts";
import { type DuePass, isTokenSweepDue, passesDue, probesOverdue } from "../lib/schedule/passes-due.ts";
import { type TickDeps, tick } from "../lib/schedule/tick.ts";
import { baseOf } from "./wiring/base.ts";
import { handlerOf } from "./wiring/handler.ts";
import { sweepSilent } from "./wiring/silence.ts";

/** How far ahead keys are dispatched, each with its delay (lease-table 13). */
const HORIZON_MS = 2 * MINUTE_MS;

const base = baseOf(process.env);
const { config, sqs, clock, leases, queue, log, metrics, traces } = base;
const passes = sqsDiscoveryQueue({ client: sqs, url: config.discovery.url });
const backlog = sqsBacklog({
  client: sqs,
  url: config.refresh.url,
  concurrency: config.refreshConcurrency,
  perInvocation: MESSAGES_PER_INVOCATION,
  clock,
});
const deps: TickDeps = {
  ...{ leases, queue, clock, log, metrics, horizonMs: HORIZON_MS, backlog },
  onOverdue(overdue) {
    for (const [cluster, { count, longestMs }] of overdue) {
      metrics.count("keyferry_syncs_overdue", { cluster }, count);
      metrics.observe("keyferry_longest_overdue_seconds", { cluster }, longestMs / SECOND_MS);
    }
  },
};

/** Each minute: sends due keys to the work queue, due clusters to the discovery queue, and overdue probes. */
export const handler = handlerOf(base, async (_event, deadline) => {
  // Concurrently, so that a broken fleet does not delay keys, and the other way round.
  const apis = await Promise.allSettled([
    traces.part("keys", NOTHING_TOLD, () => tick(deps, deadline.signal)),
    traces.part("watch-passes", NOTHING_TOLD, () => dispatchPasses(deadline)),
  ]);
  const failed = apis.filter((end) => end.status === "rejected");
  for (const { reason } of failed) throw reason;
});

async function dispatchPasses(deadline: Deadline): Promise<void> {
  const [rows, open] = await Promise.all([leases.clusters(), leases.circuits()]);
  const outages = open.filter(isOutage).length;
  if (outages > 0) metrics.count("keyferry_circuits_open", {}, outages);
  const now = clock();
  const probes = probesOverdue(open, now);
  await queue.send(probes.map(({ id }) => ({ kind: "probe", circuit: id, at: now })));
  if (isTokenSweepDue(now)) await queue.send([{ kind: "token-sweep", at: now }]);
  const composed = await base.fleet.current();
  const { clusters, hubs, refused, unread, troubled } = composed;
  const fleet = clusters.map(({ name }) => name);
  const outOfSight = clustersOutOfSight(fleet, rows, open);
  if (outOfSight.length > 0) metrics.count("keyferry_clusters_out_of_sight", {}, outOfSight.length);
  if (refused.length > 0) metrics.count("keyferry_hub_clusters_refused", {}, refused.length);
  if (troubled.length > 0) metrics.count("keyferry_hubs_troubled", {}, troubled.length);
  await passes.send([...passesDue({ fleet, rows, open, now }), ...(await hubPassesDue(hubs, now))]);
  await sweepSilent(base, leases.heard, composed.vaults);
  const names = new Set(fleet);
  const hasDeparted = rows.some(({ name }) => !names.has(name));
  // While the clusters of a hub are not known, every other cluster may be one of them.
  if (!hasDeparted || unread.length > 0 || deadline.isNear()) return;
  await releaseDeparted(base, clusters, { isAlone: false, signal: deadline.signal });
  await forgetHubs(leases, composed);
}

/** Hubs are read by the function that watches clusters. */
async function hubPassesDue(hubs: readonly Hub[], now: EpochMs): Promise<readonly DuePass[]> {
  const rows = hubs.length === 0 ? [] : await leases.hubs();
  return hubs.flatMap(({ name }) => {
    const row = rows.find((one) => one.name === name);
    const isDue = row === undefined || ((row.leaseUntil ?? 0) <= now && row.dueAt <= now);
    return isDue ? [{ cluster: placeOfHub(name), fence: row?.fence ?? 0 }] : [];
  });
}
