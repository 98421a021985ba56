/**
 * The dashboard of a stack. Its name is the stack's, by which the policy of a deployer names it. A test compares the
 * metrics with those that keyferry counts.
 */
const WIDTH = 24;
const HEIGHT = 6;
const OURS = "keyferry";
/** Fn::Sub replaces these. */
const STACK = `\${AWS::StackName}`;
const REGION = `\${AWS::Region}`;

/** All values of these labels, each as a line. */
function byLabels(metric, labels, stat) {
  const schema = ["service", ...labels].join(",");
  const search = `SEARCH('{${OURS},${schema}} MetricName="${metric}" service="${STACK}"', '${stat}')`;
  return [{ expression: search, label: "", id: metric.replace(/^keyferry_/, "") }];
}

function ours(metric, options) {
  return [OURS, metric, "service", STACK, options];
}

function queue(name, metric, options) {
  return ["AWS/SQS", metric, "QueueName", `\${${name}.QueueName}`, options];
}

function lambda(name, metric, options) {
  return ["AWS/Lambda", metric, "FunctionName", `${STACK}-${name}`, options];
}

const FUNCTIONS = ["tick", "discover", "reconcile", "vault-audit", "inject"];
const LANES = ["Renew", "Now", "Refresh", "Discovery"];
const PERCENTILES = ["p50", "p95", "p99"];

const ROWS = [
  [
    graph(
      "Change in Vault to Secret (s)",
      PERCENTILES.map((stat) => ours("keyferry_propagation_seconds", { stat })),
    ),
    graph("Audit lines by inlet", [byLabels("keyferry_inlet_lines_total", ["vault", "inlet"], "Sum")]),
    graph("Rows nudged by Vault", [byLabels("keyferry_event_nudges_total", ["vault"], "Sum")]),
    graph("Sweeps, and lines that may be missing", [
      byLabels("keyferry_event_sweeps_total", ["vault", "reason"], "Sum"),
      byLabels("keyferry_inlet_missed_total", ["vault", "inlet", "reason"], "Sum"),
    ]),
  ],
  [
    graph("Runs of syncs", [
      ours("vso_secret_sync_total", { stat: "Sum", label: "runs" }),
      ours("vso_secret_sync_errors_total", { stat: "Sum", label: "failed" }),
    ]),
    graph("Failed runs by code", [byLabels("keyferry_sync_errors_total", ["code"], "Sum")]),
    graph(
      "Due to start of a run (s)",
      PERCENTILES.map((stat) => ours("keyferry_sync_delay_seconds", { stat })),
    ),
    graph("Overdue syncs, and the longest wait (s)", [
      ours("keyferry_syncs_overdue", { stat: "Maximum", label: "overdue" }),
      ours("keyferry_longest_overdue_seconds", { stat: "Maximum", label: "longest", yAxis: "right" }),
    ]),
  ],
  [
    graph("Domain events", [
      ours("keyferry_domain_events_sent_total", { stat: "Sum", label: "sent" }),
      ours("keyferry_domain_events_failed_total", { stat: "Sum", label: "failed, sent again" }),
      ours("keyferry_domain_events_dropped_total", { stat: "Sum", label: "dropped after a day" }),
    ]),
    graph("Drift", [ours("keyferry_drift_total", { stat: "Sum", label: "Secrets that others changed" })]),
    graph("Restarts of workloads", [byLabels("keyferry_rollouts_total", ["result"], "Sum")]),
    graph("Former credentials", [
      byLabels("keyferry_issues_ended_total", ["result"], "Sum"),
      ours("keyferry_leases_at_risk_total", { stat: "Sum", label: "at risk" }),
    ]),
  ],
  [
    graph("Out of reach", [
      ours("keyferry_circuits_open", { stat: "Maximum", label: "Vaults and clusters that do not answer" }),
      ours("keyferry_clusters_out_of_sight", { stat: "Maximum", label: "clusters out of sight" }),
      ours("keyferry_hubs_troubled", { stat: "Maximum", label: "hubs in trouble" }),
    ]),
    graph("Vault: reads and logins", [
      byLabels("keyferry_vault_reads_total", ["outcome"], "Sum"),
      byLabels("keyferry_vault_logins_total", ["outcome"], "Sum"),
    ]),
    graph(
      "Age of the oldest message (s)",
      [...LANES.map((lane) => `${lane}Queue`), "VaultAuditFailures"].map((name) =>
        queue(name, "ApproximateAgeOfOldestMessage", { stat: "Maximum", label: name }),
      ),
    ),
    graph(
      "Dead letters",
      [...LANES, "VaultAudit"].map((name) =>
        queue(`${name}DeadLetters`, "ApproximateNumberOfMessagesVisible", { stat: "Maximum", label: name }),
      ),
    ),
  ],
  [
    graph(
      "Failed invocations",
      FUNCTIONS.map((name) => lambda(name, "Errors", { stat: "Sum", label: name })),
    ),
    graph(
      "Throttled invocations",
      FUNCTIONS.map((name) => lambda(name, "Throttles", { stat: "Sum", label: name })),
    ),
    graph(
      "Duration (ms, p95)",
      FUNCTIONS.map((name) => lambda(name, "Duration", { stat: "p95", label: name })),
    ),
    graph("Age of asynchronous events (ms)", [
      lambda("vault-audit", "AsyncEventAge", { stat: "Maximum", label: "vault-audit" }),
    ]),
  ],
  [
    graph("Pods by what the injector did", [byLabels("keyferry_injector_reviews_total", ["result"], "Sum")]),
    graph(
      "Answers of the injector (ms)",
      PERCENTILES.map((stat) => lambda("inject", "UrlRequestLatency", { stat })),
    ),
    graph("Failed answers of the injector", [lambda("inject", "Url5xxCount", { stat: "Sum", label: "5xx" })]),
  ],
];

function graph(title, metrics) {
  return { title, metrics };
}

function dashboardBody() {
  const widgets = ROWS.flatMap((graphs, row) =>
    graphs.map(({ title, metrics }, column) => {
      const width = WIDTH / graphs.length;
      const properties = { title, metrics, view: "timeSeries", region: REGION, period: 60, stat: "Sum" };
      return { type: "metric", x: column * width, y: row * HEIGHT, width, height: HEIGHT, properties };
    }),
  );
  return { start: "-PT3H", widgets };
}

/** For serverless.yml: the setting dashboard. */
module.exports = async ({ resolveVariable }) => {
  if (String(await resolveVariable("self:custom.settings.dashboard, null")) === "false") return {};
  const Properties = {
    DashboardName: { Ref: "AWS::StackName" },
    DashboardBody: { "Fn::Sub": JSON.stringify(dashboardBody()) },
  };
  return { Resources: { Dashboard: { Type: "AWS::CloudWatch::Dashboard", Properties } } };
};
module.exports.dashboardBody = dashboardBody;
