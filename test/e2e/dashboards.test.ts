import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ROOT } from "../docs/pages.ts";
import { waitFor } from "../harness/index.ts";
import { type Prometheus, startPrometheus } from "../harness/prometheus.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { aDeployment, allowPush, aSecret, named } from "./support/pushing.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
/** What Grafana puts in place of its variables. */
const VARIABLES = { $__rate_interval: "1m", $__range: "5m", $cluster: ".*", $kind: ".*", $namespace: ".*" };

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** What the panels of a dashboard of ours ask. */
function asked(name: "keyferry" | "pushes"): readonly { readonly title: string; readonly expr: string }[] {
  const { panels } = JSON.parse(readFileSync(join(ROOT, `infra/grafana/${name}.json`), "utf8")) as {
    readonly panels: readonly Panel[];
  };
  const filled = (expr: string) =>
    Object.entries({ ...VARIABLES, $resource: ".*" }).reduce(
      (text, [name, value]) => text.replaceAll(name, value),
      expr,
    );
  return panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr: filled(expr) })));
}

describe("the dashboards for Grafana, asked of a real Prometheus", { timeout: 600_000 }, () => {
  let world: World;
  let engine: RunningEngine;
  let prometheus: Prometheus | undefined;

  before(async () => {
    world = await startWorld({ clusters: ["one"] });
    await world.namespace(cluster(), NS);
    await allowPush(world, { paths: ["kv/apps/{namespace}/**", "kv/closed/{namespace}/**"] });
    engine = await startEngine(world);
    prometheus = await startPrometheus(world.folder, engine.url);
  });
  after(async () => {
    await prometheus?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });
  const cluster = () => world.clusters[0] ?? assert.fail("no cluster");

  it("has data in each panel for pushes, once some work and some fail", async (t) => {
    if (prometheus === undefined) return t.skip("there is no prometheus, and no apt-get to obtain it");
    const { query } = prometheus;
    const at = (path: string, more: Readonly<Record<string, string>> = {}) => named({ path: `kv/${path}`, ...more });
    const panels = asked("pushes");
    assert.ok(panels.length > 12);
    let objects = 0;
    let empty: readonly string[] = [];
    const works = async () => {
      objects += 1;
      await cluster().apply([
        aSecret(NS, `works-${objects}`, { a: "1" }, at(`apps/${NS}/works-${objects}`)),
        aSecret(NS, `closed-${objects}`, { a: "1" }, at(`closed/${NS}/closed-${objects}`)),
        aSecret(NS, `invalid-${objects}`, { a: "1" }, at(`apps/${NS}/x`, { reconcile: "soon" })),
      ]);
      const lacks = at(`apps/${NS}/no-secret-${objects}`);
      await cluster().apply(aDeployment(NS, `no-secret-${objects}`, lacks, ["missing"]));
      const key = at(`apps/${NS}/no-key-${objects}`, { secrets: `[{"name":"works-1","keys":["b"]}]` });
      await cluster().apply(aDeployment(NS, `no-key-${objects}`, key, []));
    };
    await waitFor(
      "data in each panel",
      async () => {
        await works();
        const found = await Promise.all(panels.map(async (panel) => ({ ...panel, values: await query(panel.expr) })));
        empty = found.filter(({ values }) => !values.some(Number.isFinite)).map(({ title }) => title);
        return empty.length === 0;
      },
      180_000,
    ).catch((error: Error) => assert.fail(`${error.message}; empty: ${empty.join(", ")}`));
  });

  it("asks for nothing that Prometheus does not understand", async (t) => {
    if (prometheus === undefined) return t.skip("there is no prometheus, and no apt-get to obtain it");
    for (const { expr } of asked("keyferry")) await prometheus.query(expr);
  });
});
