import { Counter, Histogram, Registry } from "prom-client";
import type { Metrics } from "./reconcile/ports.ts";

interface Definition {
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

/** Every metric by name: counters, and histograms where buckets stand. What is not here can't be counted. */
const METRICS: Readonly<Record<string, Definition>> = {
  keyferry_syncs_total: {
    help: "Runs of syncs: settled (something was written) or unchanged.",
    labels: ["cluster", "result"],
  },
  keyferry_sync_errors_total: { help: "Failed runs by code.", labels: ["cluster", "code"] },
  keyferry_syncs_waiting_total: { help: "Runs that were put off because an end is out of reach.", labels: ["cluster"] },
  keyferry_sync_duration_seconds: {
    help: "Time from taking a sync up to having settled it.",
    labels: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  },
  keyferry_rollouts_total: {
    help: "Restarts of workloads that were owed: restarted, covered (another restart was enough) or failed.",
    labels: ["cluster", "result"],
  },
  keyferry_drift_total: { help: "Secrets that someone else changed or deleted.", labels: ["cluster"] },
  keyferry_absence_held_total: {
    help: "Looks in which too many declarations were gone to be believed.",
    labels: ["kind"],
  },
  keyferry_circuit_probes_total: { help: "Probes of ends that are out of reach.", labels: ["circuit"] },
  keyferry_vault_reads_total: { help: "Reads of Vault paths by outcome.", labels: ["outcome"] },
  keyferry_vault_logins_total: { help: "Logins to Vault by outcome.", labels: ["outcome"] },
  keyferry_keys_handed_out_total: {
    help: "Keys that ticks handed out, from the wheel or the due index.",
    labels: ["from"],
  },
  keyferry_ticks_held_back_total: {
    help: "Ticks that handed out nothing of the wheel, since older messages still wait.",
    labels: [],
  },
  keyferry_cursor_set_back_total: { help: "Times the cursor stood in the future and was set back.", labels: [] },
};

export interface PrometheusMetrics extends Metrics {
  readonly registry: Registry;
  /** Shows what another part counts by itself, read when someone asks. */
  expose(name: string, help: string, labels: readonly string[], read: () => readonly Reading[]): void;
}

export interface Reading {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Metrics as a Prometheus registry. An unknown name is a bug and throws. */
export function prometheusMetrics(): PrometheusMetrics {
  const registry = new Registry();
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  for (const [name, { help, labels, buckets }] of Object.entries(METRICS)) {
    const common = { name, help, labelNames: [...labels], registers: [registry] };
    if (buckets) histograms.set(name, new Histogram({ ...common, buckets: [...buckets] }));
    else counters.set(name, new Counter(common));
  }
  return {
    registry,
    expose(name, help, labels, read) {
      const counter: Counter = new Counter({
        name,
        help,
        labelNames: [...labels],
        registers: [registry],
        collect() {
          counter.reset();
          for (const reading of read()) counter.inc({ ...reading.labels }, reading.value);
        },
      });
    },
    count(name, labels, by = 1) {
      const counter = counters.get(name);
      if (!counter) throw new Error(`no counter of that name: ${name}`);
      counter.inc({ ...labels }, by);
    },
    observe(name, labels, value) {
      const histogram = histograms.get(name);
      if (!histogram) throw new Error(`no histogram of that name: ${name}`);
      histogram.observe({ ...labels }, value);
    },
  };
}
