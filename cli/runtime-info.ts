import { availableParallelism } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { PrometheusMetrics } from "../lib/telemetry/metrics.ts";

/** What the process runs on, under the name of Vault Sync Operator's metric for it. */
export function exposeRuntime(metrics: PrometheusMetrics): void {
  const settings = {
    node_version: process.version,
    cpus: String(availableParallelism()),
    heap_limit_bytes: String(getHeapStatistics().heap_size_limit),
  };
  const readings = Object.entries(settings).map(([setting, value]) => ({ labels: { setting, value }, value: 1 }));
  metrics.gauge(
    "vault_sync_operator_runtime_info",
    "What the process runs on.",
    ["setting", "value"],
    async () => readings,
  );
}
