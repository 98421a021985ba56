import { type Metrics as Emf, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { Metrics } from "../ports/telemetry.ts";
import { isReferenceStatus } from "../resource-kinds.ts";

/** Labels with many values: CloudWatch bills each value, so only the logs have them. */
const FOLDED = new Set(["cluster", "circuit", "kind", "namespace"]);

/** VSO's names for metrics that ours already cover: CloudWatch would bill them again. */
const LEFT_OUT = /^(vso_client|controller_runtime)_/;

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

/** The Metrics port in CloudWatch's embedded metric format: one line for all metrics with the same labels. */
export function functionMetrics(emf: Emf): FunctionMetrics {
  const series = new Map<string, Series>();
  const seriesOf = (name: string, labels: Readonly<Record<string, string>>): Series => {
    const kept = Object.fromEntries(Object.entries(labels).filter(([label]) => !FOLDED.has(label)));
    const id = JSON.stringify([name, kept]);
    const known = series.get(id) ?? { name, labels: kept, count: 0, values: [] };
    series.set(id, known);
    return known;
  };
  return {
    ran({ key, code }) {
      if (isReferenceStatus(key)) return;
      seriesOf("vso_secret_sync_total", {}).count += 1;
      // Zero is written too, so that an alarm has data.
      seriesOf("vso_secret_sync_errors_total", {}).count += code === undefined ? 0 : 1;
    },
    count(name, labels, by = 1) {
      if (!LEFT_OUT.test(name)) seriesOf(name, labels).count += by;
    },
    observe(name, labels, value) {
      if (!LEFT_OUT.test(name)) seriesOf(name, labels).values.push(value);
    },
    flush() {
      const lines = Map.groupBy(series.values(), ({ labels }) => JSON.stringify(labels));
      series.clear();
      for (const [labels, together] of lines) {
        emf.addDimensions(JSON.parse(labels) as Record<string, string>);
        for (const one of together) add(emf, one);
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
