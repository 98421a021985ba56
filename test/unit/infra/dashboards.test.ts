import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ROOT } from "../../docs/pages.ts";

interface Widget {
  readonly properties: { readonly title: string; readonly metrics: readonly (readonly unknown[])[] };
}

const { dashboardBody } = createRequire(import.meta.url)("../../../infra/dashboard.cjs") as {
  dashboardBody(): { readonly widgets: readonly Widget[] };
};
const GRAFANA = ["keyferry", "pushes"] as const;

function textOf(name: (typeof GRAFANA)[number]): string {
  return readFileSync(join(ROOT, `infra/grafana/${name}.json`), "utf8");
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

  it("for Grafana name no data source of one installation", () => {
    for (const name of GRAFANA) {
      const sources = new Set([...textOf(name).matchAll(/"uid": "([^"]+)"/g)].map(([, uid]) => uid));
      assert.deepEqual([...sources].sort(), [`\${datasource}`, name === "pushes" ? "keyferry-pushes" : "keyferry"]);
    }
  });
});
