import assert from "node:assert/strict";
import { it } from "node:test";
import type { VaultTarget } from "../../../lib/ports/vault.ts";
import { prometheusMetrics } from "../../../lib/telemetry/metrics.ts";
import { countedClient } from "../../../lib/vault/counted-client.ts";
import type { VaultClient, VaultQuestion } from "../../../lib/vault/vault-client.ts";

interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

it("requests to Vault are counted by connection, and the series stay few, however many connections there are", async () => {
  const metrics = prometheusMetrics();
  const answers = { ask: async () => ({ status: 503 }) } as unknown as VaultClient;
  const client = countedClient(answers, () => 0, metrics);
  const read = async (connection: string): Promise<void> => {
    const target = { address: "https://v.test", connection } as unknown as VaultTarget;
    const question = { purpose: "data", method: "GET", path: "kv/data/db" } as unknown as VaultQuestion;
    await client.ask(target, question, new AbortController().signal);
  };
  for (let number = 0; number < 1_200; number++) await read(`shop/v-${number}`);
  await read("shop/v-0");
  const shown = await metrics.registry.getMetricsAsJSON();
  for (const name of ["total", "errors_total", "time_seconds"]) {
    const found = shown.find((one) => one.name === `vso_client_operations_${name}`);
    const values = (found?.values ?? []) as readonly Value[];
    // A histogram has a count among its buckets.
    const counts = values.filter(({ metricName }) => metricName === undefined || metricName.endsWith("_count"));
    const byConnection = new Map(counts.map(({ labels, value }) => [labels.vault_connection, value]));
    assert.deepEqual([counts.length, byConnection.get("shop/v-0"), byConnection.get("other")], [1_001, 2, 200], name);
  }
});
