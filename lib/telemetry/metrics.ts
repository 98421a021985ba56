import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { partsOf, type SyncKey } from "../keys.ts";
import type { FinishedRun, Metrics } from "../ports/telemetry.ts";
import { isReferenceStatus } from "../resource-kinds.ts";
import { pushMetrics } from "./push-metrics.ts";

interface Definition {
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const OF_CLIENT = ["operation", "vault_connection"];

/** The metrics that VSO's dashboards and alerts use, with its names and labels. */
const VSO_METRICS: Readonly<Record<string, Definition>> = {
  vso_secret_sync_total: { help: "Runs of syncs.", labels: ["controller", "cluster"] },
  vso_secret_sync_errors_total: { help: "Failed runs of syncs.", labels: ["controller", "cluster", "code"] },
  vso_client_operations_total: { help: "Requests to Vault.", labels: OF_CLIENT },
  vso_client_operations_errors_total: { help: "Failed requests to Vault.", labels: OF_CLIENT },
  vso_client_operations_time_seconds: {
    help: "Duration of requests to Vault.",
    labels: OF_CLIENT,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  controller_runtime_reconcile_total: { help: "Runs by kind and result.", labels: ["controller", "result"] },
  controller_runtime_reconcile_errors_total: { help: "Failed runs by kind.", labels: ["controller"] },
};

/** Those of vault-k8s have its names and labels, and the cluster; it has no clusters to tell apart. */
const INJECTOR_METRICS: Readonly<Record<string, Definition>> = {
  keyferry_injector_reviews_total: {
    help: "Requests to the injector's webhook by result: injected, ignored, refused, bad, crowded, crashed, unknown-key.",
    labels: ["cluster", "result"],
  },
  keyferry_injector_registrations_total: {
    help: "Checks of registrations that keyferry manages: created, updated, unchanged, taken-over, left, failed.",
    labels: ["cluster", "result"],
  },
  keyferry_injector_connections_dropped_total: {
    help: "Connections of the injector's listener that were closed in favour of others: stranger, cluster.",
    labels: ["whose"],
  },
  vault_agent_injector_injections_by_namespace_total: {
    help: "Injected pods, without dry runs.",
    labels: ["cluster", "namespace", "injection_type"],
  },
  vault_agent_injector_failed_injections_by_namespace_total: {
    help: "Refused pods, without dry runs.",
    labels: ["cluster", "namespace"],
  },
  vault_agent_injector_request_processing_duration_ms: {
    help: "Time that the webhook works on a request, in milliseconds.",
    labels: ["cluster"],
    buckets: [5, 10, 25, 50, 75, 100, 250, 500, 1_000, 2_500, 5_000, 7_500, 10_000],
  },
};

/** More of them are in push-metrics.ts: these are counted where they happen. */
const PUSH_METRICS: Readonly<Record<string, Definition>> = {
  vault_sync_operator_auth_attempts_total: {
    help: "Logins of pushes to Vault by result: success or failed.",
    labels: ["cluster", "kind", "result"],
  },
};

/** All metrics by name: counters, and histograms where there are buckets. Any other name is refused. */
const METRICS: Readonly<Record<string, Definition>> = {
  keyferry_syncs_total: {
    help: "Runs of syncs: settled (there was work to do) or unchanged.",
    labels: ["cluster", "result"],
  },
  keyferry_sync_errors_total: { help: "Failed runs by code.", labels: ["cluster", "code"] },
  keyferry_syncs_waiting_total: {
    help: "Postponed runs: an outage, another controller, or a shared failure.",
    labels: ["cluster"],
  },
  keyferry_sync_duration_seconds: {
    help: "Time from the start of a run to its settle.",
    labels: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  },
  keyferry_sync_delay_seconds: {
    help: "Time from when a sync was due, or its refresh slot came, to the start of its run.",
    labels: [],
    buckets: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900],
  },
  keyferry_propagation_seconds: {
    help: "Time from an event in Vault, by Vault's own clock, to the Secret, by cluster.",
    labels: ["cluster"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  },
  keyferry_event_lines_total: {
    help: "Audit lines by Vault and outcome: effect, none, or bad (no audit line).",
    labels: ["vault", "outcome"],
  },
  keyferry_event_nudges_total: { help: "Rows that events in a Vault nudged.", labels: ["vault"] },
  keyferry_event_sweeps_total: {
    help: "Sweeps of a Vault's rows by reason: an event that may mean any row, or any with a lease, or lines that may be missing.",
    labels: ["vault", "reason"],
  },
  keyferry_rollouts_total: {
    help: "Owed restarts of workloads: restarted, covered (another restart was enough) or failed.",
    labels: ["cluster", "result"],
  },
  keyferry_drift_total: { help: "Secrets that another program changed or deleted.", labels: ["cluster"] },
  keyferry_missing_awaiting_approval_total: {
    help: "Watch passes with many declarations missing at once, which wait for approval.",
    labels: ["kind"],
  },
  keyferry_circuit_probes_total: {
    help: "Probes of Vaults and clusters that do not answer, and of suspensions.",
    labels: ["circuit"],
  },
  keyferry_vault_reads_total: { help: "Reads of Vault paths by outcome.", labels: ["outcome"] },
  keyferry_vault_writes_total: {
    help: "Writes of pushed Secrets to Vault by outcome.",
    labels: ["of", "outcome"],
  },
  keyferry_vault_issues_total: {
    help: "Requests to Vault for credentials and certificates by outcome.",
    labels: ["outcome"],
  },
  keyferry_vault_renewals_total: {
    help: "Renewals of leases and of their tokens by outcome.",
    labels: ["of", "outcome"],
  },
  keyferry_vault_revocations_total: {
    help: "Revocations of issued credentials by outcome.",
    labels: ["of", "outcome"],
  },
  keyferry_issue_renewals_total: {
    help: "Renewals of a sync's credential by cluster and result: renewed, unanswered, truncated, gone, denied.",
    labels: ["cluster", "result"],
  },
  keyferry_issues_ended_total: {
    help: "Former credentials by result: revoked, expired, denied, or the code of a failed attempt.",
    labels: ["result"],
  },
  keyferry_leases_at_risk_total: {
    help: "Credentials whose renewals Vault did not answer for a whole slot.",
    labels: [],
  },
  keyferry_issues_unreadable_total: {
    help: "Attempts to use a credential's token that was encrypted with another key, or without its Vault.",
    labels: [],
  },
  keyferry_vault_logins_total: { help: "Logins to Vault by outcome.", labels: ["outcome"] },
  keyferry_keys_dispatched_total: {
    help: "Keys that ticks dispatched, from the wheel or the due index.",
    labels: ["from"],
  },
  keyferry_ticks_held_back_total: {
    help: "Ticks that dispatched no refreshes, since older messages still wait.",
    labels: [],
  },
  keyferry_bugs_total: { help: "Unexpected failures; the log names the place of each.", labels: [] },
  keyferry_rows_damaged_total: { help: "Rows of the lease table that could not be read.", labels: [] },
  keyferry_dispatch_set_back_total: {
    help: "Times that dispatchedUntil was in the future and was set back.",
    labels: [],
  },
  keyferry_inlet_lines_total: { help: "Audit lines by Vault and inlet.", labels: ["vault", "inlet"] },
  keyferry_inlet_bad_lines_total: {
    help: "Lines of these that are no audit lines, or too long.",
    labels: ["vault", "inlet"],
  },
  keyferry_inlet_dropped_lines_total: {
    help: "Lines that found no room in memory; the Vault's syncs are swept instead.",
    labels: ["vault", "inlet"],
  },
  keyferry_inlet_missed_total: {
    help: "Sweeps because lines may be missing, by reason.",
    labels: ["vault", "inlet", "reason"],
  },
  keyferry_inlet_posts_refused_total: {
    help: "POSTs of lines that were refused, by reason.",
    labels: ["vault", "reason"],
  },
  keyferry_fleet_unreadable_total: {
    help: "Times that fleet.yaml could not be read again; the previous fleet stays in force.",
    labels: [],
  },
  keyferry_domain_events_sent_total: { help: "Domain events that their receiver accepted.", labels: [] },
  keyferry_domain_events_failed_total: {
    help: "Attempts to send a domain event that failed; it is sent again within ten minutes.",
    labels: [],
  },
  keyferry_domain_events_dropped_total: {
    help: "Domain events that nothing accepted for a day, or 6 hours where they are of an outage.",
    labels: [],
  },
  ...VSO_METRICS,
  ...INJECTOR_METRICS,
  ...PUSH_METRICS,
};

export interface PrometheusMetrics extends Required<Metrics> {
  readonly registry: Registry;
  /** Removes the series of a declaration that is gone. */
  forget(key: SyncKey): void;
  /** Exposes a counter of another part, read at each scrape. */
  expose(name: string, help: string, labels: readonly string[], read: () => readonly Reading[]): void;
  /** The same for a gauge. */
  gauge(name: string, help: string, labels: readonly string[], read: Read): void;
}

/** Reads values at a scrape; when it fails, only this metric is left out. */
type Read = () => Promise<readonly Reading[]>;

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
  const count: Metrics["count"] = (name, labels, by = 1) => {
    const counter = counters.get(name);
    if (!counter) throw new Error(`no counter of that name: ${name}`);
    counter.inc({ ...labels }, by);
  };
  const pushes = pushMetrics(registry);
  return {
    registry,
    ran(run) {
      countRun(count, run);
      pushes.ran(run);
    },
    forget: (key) => pushes.forget(key),
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
    gauge: (name, help, labels, read) => addGauge(registry, { name, help, labelNames: [...labels] }, read),
    count,
    observe(name, labels, value) {
      const histogram = histograms.get(name);
      if (!histogram) throw new Error(`no histogram of that name: ${name}`);
      histogram.observe({ ...labels }, value);
    },
  };
}

function addGauge(
  registry: Registry,
  named: { readonly name: string; readonly help: string; readonly labelNames: string[] },
  read: Read,
): void {
  const gauge: Gauge = new Gauge({
    ...named,
    registers: [registry],
    async collect() {
      const readings = await read().catch(() => []);
      gauge.reset();
      for (const { labels, value } of readings) gauge.set({ ...labels }, value);
    },
  });
}

/** Counts a run as VSO's controllers do. */
function countRun(count: Metrics["count"], { key, code }: FinishedRun): void {
  const { cluster, kind } = partsOf(key);
  const controller = kind.toLowerCase();
  const isFailed = code !== undefined;
  count("controller_runtime_reconcile_total", { controller, result: isFailed ? "error" : "success" });
  if (isFailed) count("controller_runtime_reconcile_errors_total", { controller });
  if (isReferenceStatus(key)) return;
  count("vso_secret_sync_total", { controller, cluster });
  if (isFailed) count("vso_secret_sync_errors_total", { controller, cluster, code });
}
