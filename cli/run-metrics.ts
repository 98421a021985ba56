import type { Clock } from "../lib/clock.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import type { LiveFleet } from "../lib/hubs/live-fleet.ts";
import { rowsWithIssues } from "../lib/issues/rows-with-issues.ts";
import type { ClusterClients } from "../lib/kubernetes/cluster-client.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import { thatOweRestarts } from "../lib/rollout/owed.ts";
import { issuesHeld } from "../lib/telemetry/issues-held.ts";
import { type PrometheusMetrics, prometheusMetrics } from "../lib/telemetry/metrics.ts";
import { rolloutsOwed } from "../lib/telemetry/rollouts-owed.ts";
import { forgetting, type SyncSeries, syncSeries } from "../lib/telemetry/sync-series.ts";
import { exposeRuntime } from "./runtime-info.ts";
import { exposeHubs, exposeSight } from "./sight-metrics.ts";

/** The metrics of `keyferry run`. Some of them are about rows: they see each write of the store. */
export interface RunMetrics {
  readonly metrics: PrometheusMetrics;
  /** The store, so that metrics about rows follow it. */
  seeing<S extends LeaseStore>(store: S): S;
  /** Reads the rows that a former process left. */
  remember(store: LeaseStore, fleet: Fleet): Promise<void>;
}

/** `limit`: the maximum number of syncs with series of their own; 0: none. */
export function runMetrics(limit: number, clock: Clock): RunMetrics {
  const counted = prometheusMetrics();
  const series = syncSeries(counted.registry, { limit, clock });
  const owed = rolloutsOwed(counted.registry);
  const held = issuesHeld(counted.registry);
  return {
    metrics: shownBySync(counted, series),
    seeing: (store) => held.seeing(owed.seeing(forgetting(store, forgotten(counted, series)))),
    async remember(store, fleet) {
      for (const { name } of fleet.clusters) {
        const rows = await store.byCluster(name);
        if (limit > 0) series.remember(rows);
        owed.remember(await thatOweRestarts(store, rows));
      }
      for await (const { key, state } of rowsWithIssues(store)) held.remember(key, state.issues ?? []);
    },
  };
}

function forgotten(counted: PrometheusMetrics, series: SyncSeries): Pick<SyncSeries, "forget"> {
  return {
    forget(key) {
      counted.forget(key);
      series.forget(key);
    },
  };
}

function shownBySync(metrics: PrometheusMetrics, series: SyncSeries): PrometheusMetrics {
  return {
    ...metrics,
    ran(run) {
      metrics.ran(run);
      series.ran(run);
    },
  };
}

/** Metrics that are read when someone asks for them. */
export function exposeAll(
  metrics: PrometheusMetrics,
  store: LeaseStore,
  clients: ClusterClients,
  fleet: LiveFleet["current"],
): void {
  exposeCounts(metrics, store, clients);
  exposeSight(metrics, store, () => fleet().clusters.map(({ name }) => name));
  exposeHubs(metrics, store, fleet);
  exposeRuntime(metrics);
}

/**
 * Counters of the store's operations and the API servers' requests, which show that an unchanged refresh writes
 * nothing.
 */
function exposeCounts(metrics: PrometheusMetrics, store: LeaseStore, clients: ClusterClients): void {
  metrics.expose(
    "keyferry_store_operations_total",
    "Operations of the lease table; writes: rows written.",
    ["operation"],
    () => Object.entries(store.counts()).map(([operation, value]) => ({ labels: { operation }, value })),
  );
  metrics.expose("keyferry_kube_requests_total", "Requests to API servers.", ["verb", "resource"], () =>
    clients.requests.all().map(({ verb, resource, times }) => ({ labels: { verb, resource }, value: times })),
  );
}
