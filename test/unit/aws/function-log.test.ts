import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Logger } from "@aws-lambda-powertools/logger";
import { Metrics as Emf } from "@aws-lambda-powertools/metrics";
import { functionLog, LineFormatter } from "../../../lib/aws/function-log.ts";
import { functionMetrics } from "../../../lib/aws/function-metrics.ts";
import { syncKey } from "../../../lib/keys.ts";

/** What is printed meanwhile, line by line. */
function printed(work: () => void): Record<string, unknown>[] {
  const lines: string[] = [];
  const { write } = process.stdout;
  process.stdout.write = (chunk: unknown): boolean => {
    lines.push(String(chunk));
    return true;
  };
  try {
    work();
  } finally {
    process.stdout.write = write;
  }
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("a function's log", () => {
  it("has the lines of the embedded engine's, with our own messages", () => {
    const [line] = printed(() => {
      const logger = new Logger({ logLevel: "INFO", logFormatter: new LineFormatter() });
      const log = functionLog(logger);
      log.debug("not-shown");
      log.info("sync-failed", { key: "east/a", code: "VAULT_DENIED", message: "Vault refuses" });
    });
    assert.match(String(line?.time), /^\d{4}-\d\d-\d\dT.*Z$/);
    const { time: _, ...rest } = line ?? {};
    assert.deepEqual(rest, {
      level: "info",
      event: "sync-failed",
      key: "east/a",
      code: "VAULT_DENIED",
      message: "Vault refuses",
    });
  });
});

describe("a function's metrics", () => {
  it("are one line for each set of labels, added up, without what CloudWatch would bill by cluster", () => {
    const lines = printed(() => {
      const metrics = functionMetrics(new Emf({ namespace: "keyferry", serviceName: "keyferry-prod" }));
      metrics.count("keyferry_syncs_total", { cluster: "east", result: "settled" });
      metrics.count("keyferry_syncs_total", { cluster: "west", result: "settled" }, 2);
      metrics.count("keyferry_drift_total", { cluster: "west" });
      metrics.observe("keyferry_sync_duration_seconds", {}, 0.25);
      metrics.observe("keyferry_sync_duration_seconds", {}, 0.5);
      metrics.flush();
      metrics.flush();
    });
    const values = lines.map(({ _aws: _, ...rest }) => rest);
    assert.deepEqual(values, [
      { service: "keyferry-prod", result: "settled", keyferry_syncs_total: 3 },
      { service: "keyferry-prod", keyferry_drift_total: 1, keyferry_sync_duration_seconds: [0.25, 0.5] },
    ]);
    const [first] = lines as { _aws: { CloudWatchMetrics: { Namespace: string; Dimensions: string[][] }[] } }[];
    assert.deepEqual(first?._aws.CloudWatchMetrics[0]?.Dimensions, [["service", "result"]]);
  });

  it("are sent by cluster as well, if that is wanted, where they tell how well it is served", () => {
    const lines = printed(() => {
      const emf = new Emf({ namespace: "keyferry", serviceName: "keyferry-prod" });
      const metrics = functionMetrics(emf, { byCluster: true });
      metrics.observe("keyferry_propagation_seconds", { cluster: "east" }, 0.5);
      metrics.observe("keyferry_propagation_seconds", { cluster: "west" }, 2);
      metrics.count("keyferry_drift_total", { cluster: "west" });
      metrics.flush();
    });
    const values = lines.map(({ _aws: _, ...rest }) => rest);
    assert.deepEqual(values, [
      { service: "keyferry-prod", keyferry_propagation_seconds: [0.5, 2], keyferry_drift_total: 1 },
      { service: "keyferry-prod", cluster: "east", keyferry_propagation_seconds: 0.5 },
      { service: "keyferry-prod", cluster: "west", keyferry_propagation_seconds: 2 },
    ]);
  });

  it("count a sync under VSO's name, without labels, and nothing else twice", () => {
    const lines = printed(() => {
      const metrics = functionMetrics(new Emf({ namespace: "keyferry", serviceName: "keyferry-prod" }));
      const key = syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: "a", name: "b" });
      metrics.ran({ key, at: 0 });
      metrics.ran({ key, at: 0, code: "VAULT_DENIED" });
      metrics.ran({ key: syncKey({ cluster: "east", kind: "VaultAuth", namespace: "a", name: "b" }), at: 0 });
      metrics.count("vso_client_operations_total", { operation: "read", vault_connection: "a/b" });
      metrics.flush();
    });
    const values = lines.map(({ _aws: _, ...rest }) => rest);
    const counted = { vso_secret_sync_total: 2, vso_secret_sync_errors_total: 1 };
    assert.deepEqual(values, [{ service: "keyferry-prod", ...counted }]);
  });
});
