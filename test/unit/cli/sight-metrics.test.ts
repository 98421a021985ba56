import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exposeSight } from "../../../cli/sight-metrics.ts";
import { circuitOfCluster, circuitOfVault, suspensionOf } from "../../../lib/circuits.ts";
import type { Circuit, LeaseStore } from "../../../lib/ports/store.ts";
import type { PrometheusMetrics } from "../../../lib/telemetry/metrics.ts";

type Series = Awaited<ReturnType<Parameters<PrometheusMetrics["gauge"]>[3]>>;

/** The series of the gauge of circuits while these are open. */
async function gaugeOf(...ids: readonly string[]): Promise<Series> {
  const gauges = new Map<string, () => Promise<Series>>();
  const metrics = {
    gauge: (name: string, _help: string, _labels: unknown, read: () => Promise<Series>) => void gauges.set(name, read),
  } as unknown as PrometheusMetrics;
  const open = ids.map((id) => ({ id, since: 0 }) as Circuit);
  const store: Pick<LeaseStore, "clusters" | "circuits"> = { clusters: async () => [], circuits: async () => open };
  exposeSight(metrics, store, () => []);
  return (await gauges.get("keyferry_circuit_open")?.()) ?? assert.fail("no gauge");
}

describe("the gauge of what does not answer", () => {
  it("has a series for each Vault and cluster, and none for work that is suspended beside another controller", async () => {
    const series = await gaugeOf(
      suspensionOf("west"),
      circuitOfVault("https://v"),
      suspensionOf("east", "team"),
      circuitOfCluster("east"),
    );
    assert.deepEqual(series, [
      { labels: { circuit: "vault:https://v" }, value: 1 },
      { labels: { circuit: "cluster:east" }, value: 1 },
    ]);
  });

  it("has at most a hundred", async () => {
    const ids = Array.from({ length: 101 }, (_, at) => circuitOfVault(`https://v-${at}`));
    assert.equal((await gaugeOf(suspensionOf("west"), ...ids)).length, 100);
  });
});
