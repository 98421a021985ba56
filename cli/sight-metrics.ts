import { isOutage } from "../lib/circuits.ts";
import { outOfSightSince } from "../lib/discovery/out-of-sight.ts";
import type { ComposedFleet } from "../lib/hubs/compose.ts";
import type { Circuit, ClusterRow, LeaseStore } from "../lib/ports/store.ts";
import type { PrometheusMetrics } from "../lib/telemetry/metrics.ts";

/** Tenants choose addresses, so the number of circuits with series is limited. */
const MAX_CIRCUITS = 100;

/** Gauges of clusters in sight, read from the lease table at each scrape, like `keyferry status`. */
export function exposeSight(
  metrics: PrometheusMetrics,
  store: Pick<LeaseStore, "clusters" | "circuits">,
  fleet: () => readonly string[],
): void {
  metrics.gauge(
    "keyferry_cluster_up",
    "1 if keyferry can read the cluster, 0 if not; absent before its first watch pass.",
    ["cluster"],
    async () => {
      const [rows, open] = await Promise.all([store.clusters(), store.circuits()]);
      return fleet().flatMap((cluster) => upOf(cluster, rows, open));
    },
  );
  metrics.gauge("keyferry_circuit_open", "1 for each Vault or cluster that does not answer.", ["circuit"], async () =>
    (await store.circuits())
      .filter(isOutage)
      .slice(0, MAX_CIRCUITS)
      .map(({ id }) => ({ labels: { circuit: id }, value: 1 })),
  );
}

function upOf(cluster: string, rows: readonly ClusterRow[], open: readonly Circuit[]) {
  const row = rows.find(({ name }) => name === cluster);
  const isOut = outOfSightSince(cluster, row, open) !== undefined;
  if (!isOut && !wasSeen(row)) return [];
  return [{ labels: { cluster }, value: isOut ? 0 : 1 }];
}

/** Whether its first watch pass has identified the cluster. */
function wasSeen(row: ClusterRow | undefined): boolean {
  return row?.state.uid !== undefined;
}

/** Gauges of the fleet's hubs. */
export function exposeHubs(
  metrics: PrometheusMetrics,
  store: Pick<LeaseStore, "hubState">,
  fleet: () => ComposedFleet,
): void {
  metrics.gauge(
    "keyferry_hub_up",
    "1 if keyferry could read the hub when it last tried, 0 if not.",
    ["hub"],
    async () =>
      Promise.all(
        fleet().hubs.map(async ({ name }) => {
          const state = (await store.hubState(name))?.state;
          return { labels: { hub: name }, value: state === undefined || state.error !== undefined ? 0 : 1 };
        }),
      ),
  );
  metrics.gauge(
    "keyferry_hub_clusters_refused",
    "Objects of the hub that are no clusters of the fleet, or can't be reached any more.",
    ["hub"],
    async () =>
      fleet().hubs.map(({ name }) => ({
        labels: { hub: name },
        value: fleet().refused.filter(({ hub }) => hub === name).length,
      })),
  );
}
