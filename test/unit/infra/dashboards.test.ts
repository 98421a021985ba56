import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";
import { prometheusMetrics } from "../../../lib/telemetry/metrics.ts";
import { syncSeries } from "../../../lib/telemetry/sync-series.ts";
import { ROOT } from "../../docs/pages.ts";

interface Widget {
  readonly properties: { readonly title: string; readonly metrics: readonly (readonly unknown[])[] };
}
interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const { dashboardBody } = createRequire(import.meta.url)("../../../infra/dashboard.cjs") as {
  dashboardBody(): { readonly widgets: readonly Widget[] };
};
const GRAFANA = ["keyferry", "pushes"] as const;

function textOf(name: (typeof GRAFANA)[number]): string {
  return readFileSync(join(ROOT, `infra/grafana/${name}.json`), "utf8");
}

interface Grafana {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
}

/** Metrics and their labels: those of the registry, and those that docs/metrics.md has of other parts. */
function known(): ReadonlyMap<string, readonly string[]> {
  const { registry } = prometheusMetrics();
  syncSeries(registry, { limit: 1, clock: () => 0 });
  const own = registry.getMetricsAsArray().map((metric) => {
    const { name, labelNames = [] } = metric as unknown as { name: string; labelNames?: readonly string[] };
    return [name, labelNames] as const;
  });
  const rows = readFileSync(join(ROOT, "docs/metrics.md"), "utf8").matchAll(/^\| `(\w+)` \| ([^|]*) \|/gm);
  const told = [...rows].map(([, name = "", text = ""]) => {
    return [name, [...text.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label)] as const;
  });
  return new Map([...told, ...own]);
}

function exprsOf({ panels }: Grafana): readonly string[] {
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

describe("the dashboards", () => {
  it("on CloudWatch ask for metrics of ours that functions send, and for queues and functions of the stack", () => {
    const sources = globSync("{lib,functions}/**/*.ts", { cwd: ROOT }).map((path) =>
      readFileSync(join(ROOT, path), "utf8"),
    );
    const isSent = (name: string) => sources.some((text) => new RegExp(`"?${name}"?,?`).test(text));
    const { widgets } = dashboardBody();
    assert.ok(widgets.length >= 12);
    const names = widgets.flatMap(({ properties }) =>
      properties.metrics.flatMap((metric) => {
        if (metric[0] === "keyferry") return [String(metric[1])];
        return [...JSON.stringify(metric).matchAll(/MetricName=\\"(\w+)\\"/g)].map(([, name = ""]) => name);
      }),
    );
    assert.ok(names.length >= 15);
    for (const name of names) assert.ok(isSent(name), `nobody sends ${name}`);
    const text = JSON.stringify(dashboardBody());
    const template =
      readFileSync(join(ROOT, "infra/queues.yml"), "utf8") +
      readFileSync(join(ROOT, "infra/events/vault-audit.yml"), "utf8");
    const queues = [...text.matchAll(/\$\{(\w+)\.QueueName\}/g)].map(([, name]) => name);
    for (const name of queues) assert.match(template, new RegExp(`^  ${name}:`, "m"));
    const functions = new Set([...text.matchAll(/\$\{AWS::StackName\}-([a-z-]+)/g)].map(([, name]) => name));
    const files = globSync("*.ts", { cwd: join(ROOT, "functions") }).map((file) => file.replace(".ts", ""));
    assert.deepEqual([...functions].sort(), files.sort());
  });

  it("on CloudWatch fit beside each other", () => {
    const { widgets } = dashboardBody() as unknown as { widgets: { x: number; y: number; width: number }[] };
    const rows = Map.groupBy(widgets, ({ y }) => y);
    for (const row of rows.values())
      assert.equal(
        row.reduce((sum, { width }) => sum + width, 0),
        24,
      );
  });

  it("for Grafana ask for metrics that /metrics has, by labels that they have", () => {
    const metrics = known();
    const exprs = GRAFANA.flatMap((name) => exprsOf(JSON.parse(textOf(name)) as Grafana));
    assert.ok(exprs.length >= 30);
    for (const expr of exprs) {
      const [name = ""] = /\b(keyferry|vso|controller|vault_sync_operator)_\w+/.exec(expr) ?? [];
      const base = metrics.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
      const labels = metrics.get(base);
      assert.ok(labels !== undefined, `${name} does not exist: ${expr}`);
      const asked = [
        ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
          list.split(",").map((label) => label.trim()),
        ),
        ...[...expr.matchAll(/[{,]\s*(\w+)\s*(?:=|!=|=~|!~)/g)].map(([, label = ""]) => label),
      ];
      for (const label of asked.filter((one) => one !== "le" && one !== "job" && one !== "instance")) {
        assert.ok(labels.includes(label), `${base} has no label ${label}: ${expr}`);
      }
    }
  });

  it("for Grafana show each metric of a push, and use each of their variables", () => {
    const pushes = JSON.parse(textOf("pushes")) as Grafana;
    const exprs = exprsOf(pushes);
    const names = [...known().keys()].filter((name) => name.startsWith("vault_sync_operator_"));
    assert.equal(names.length, 9);
    for (const name of names)
      assert.ok(
        exprs.some((expr) => expr.includes(name)),
        `no panel shows ${name}`,
      );
    for (const { name } of pushes.templating.list)
      assert.ok(textOf("pushes").includes(name === "datasource" ? `\${${name}}` : `$${name}`), `nothing uses ${name}`);
  });

  it("for Grafana name no data source of one installation", () => {
    for (const name of GRAFANA) {
      const sources = new Set([...textOf(name).matchAll(/"uid": "([^"]+)"/g)].map(([, uid]) => uid));
      assert.deepEqual([...sources].sort(), [`\${datasource}`, name === "pushes" ? "keyferry-pushes" : "keyferry"]);
    }
  });
});
