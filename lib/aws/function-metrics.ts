import { type Metrics as Emf, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { Metrics } from "../ports/telemetry.ts";
import { isReferenceStatus } from "../resource-kinds.ts";

/** Labels with many values: CloudWatch bills each value, so only the logs have them. */
const FOLDED = new Set(["cluster", "circuit", "kind", "namespace"]);

/** What tells how well clusters are served: sent for each cluster as well, if that is wanted. */
const OF_CLUSTERS = new Set([
  "keyferry_propagation_seconds",
  "keyferry_syncs_overdue",
  "keyferry_longest_overdue_seconds",
]);

/** Other programs' names for metrics that ours already cover: CloudWatch would bill them again. */
const LEFT_OUT = /^(vso_client|controller_runtime|vault_sync_operator)_/;

export interface FunctionMetrics extends Required<Metrics> {
  /** Writes the counts since the last call, at the end of an invocation. */
  flush(): void;
}

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  count: number;
  readonly values: number[];
}

/**
 * The Metrics port in CloudWatch's embedded metric format: one line for all metrics with the same labels. `byCluster`:
 * some are sent for each cluster, too.
 */
export function functionMetrics(emf: Emf, { byCluster = false } = {}): FunctionMetrics {
  const series = new Map<string, Series>();
  const one = (name: string, labels: Readonly<Record<string, string>>): Series => {
    const id = JSON.stringify([name, labels]);
    const known = series.get(id) ?? { name, labels, count: 0, values: [] };
    series.set(id, known);
    return known;
  };
  const seriesOf = (name: string, labels: Readonly<Record<string, string>>): readonly Series[] => {
    const kept = Object.fromEntries(Object.entries(labels).filter(([label]) => !FOLDED.has(label)));
    const { cluster } = labels;
    const isOfCluster = byCluster && cluster !== undefined && OF_CLUSTERS.has(name);
    return [one(name, kept), ...(isOfCluster ? [one(name, { ...kept, cluster })] : [])];
  };
  return {
    ran({ key, code }) {
      if (isReferenceStatus(key)) return;
      one("vso_secret_sync_total", {}).count += 1;
      // Zero is written too, so that an alarm has data.
      one("vso_secret_sync_errors_total", {}).count += code === undefined ? 0 : 1;
    },
    count(name, labels, by = 1) {
      if (!LEFT_OUT.test(name)) for (const found of seriesOf(name, labels)) found.count += by;
    },
    observe(name, labels, value) {
      if (!LEFT_OUT.test(name)) for (const found of seriesOf(name, labels)) found.values.push(value);
    },
    flush() {
      const lines = Map.groupBy(series.values(), ({ labels }) => JSON.stringify(labels));
      series.clear();
      for (const [labels, together] of lines) {
        emf.addDimensions(JSON.parse(labels) as Record<string, string>);
        for (const found of together) add(emf, found);
        emf.publishStoredMetrics();
      }
    },
  };
}

function add(emf: Emf, { name, count, values }: Series): void {
  if (values.length === 0) emf.addMetric(name, MetricUnit.Count, count);
  const unit = name.endsWith("_ms") ? MetricUnit.Milliseconds : MetricUnit.Seconds;
  for (const value of values) emf.addMetric(name, unit, value);
}
