import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { prometheusMetrics } from "../../lib/telemetry/metrics.ts";
import { syncSeries } from "../../lib/telemetry/sync-series.ts";
import { ROOT } from "./pages.ts";

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

interface Grafana {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
}

const GRAFANA = ["keyferry", "pushes"] as const;

function textOf(name: (typeof GRAFANA)[number]): string {
  return readFileSync(join(ROOT, `infra/grafana/${name}.json`), "utf8");
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
});
