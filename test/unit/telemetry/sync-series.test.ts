import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ErrorCode } from "../../../lib/errors.ts";
import { type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { RowSummary } from "../../../lib/ports/store.ts";
import { prometheusMetrics } from "../../../lib/telemetry/metrics.ts";
import { syncSeries } from "../../../lib/telemetry/sync-series.ts";

const keyOf = (name: string, kind = "VaultStaticSecret"): SyncKey =>
  syncKey({ cluster: "east", kind, namespace: "shop", name });

function aScene(limit = 10) {
  let now = 1_000_000;
  const { registry, ...metrics } = prometheusMetrics();
  const series = syncSeries(registry, { limit, clock: () => now });
  return {
    series,
    later: (seconds: number) => {
      now += seconds * 1_000;
    },
    ran(name: string, code?: ErrorCode, kind?: string) {
      const run = { key: keyOf(name, kind), at: now, refreshAfterMs: 30_000, ...(code ? { code } : {}) };
      series.ran(run);
      metrics.ran(run);
    },
    /** `name[ code]: value` of each series. */
    async shown(metric: string): Promise<readonly string[]> {
      const found = (await registry.getMetricsAsJSON()).find(({ name }) => name === metric);
      const values = (found?.values ?? []) as { labels: Record<string, string>; value: number }[];
      return values.map(({ labels, value }) =>
        [labels.name, labels.code, value].filter((part) => part !== undefined).join(" "),
      );
    },
    text: () => registry.metrics(),
  };
}

const aRow = (name: string, row: Partial<RowSummary>): RowSummary => ({
  ...{ key: keyOf(name), uid: "u", hash: "h", generation: 1, refs: [], attempts: 0 },
  ...row,
});

describe("series of single syncs", () => {
  it("tell age and lag from the last run that found it in step, and failures by code", async () => {
    const scene = aScene();
    scene.ran("app");
    scene.later(20);
    assert.deepEqual(await scene.shown("keyferry_sync_age_seconds"), ["app 20"]);
    assert.deepEqual(await scene.shown("keyferry_sync_lag_seconds"), ["app 0"]);
    scene.later(20);
    for (const code of ["VAULT_DENIED", "VAULT_DENIED"] as const) scene.ran("app", code);
    assert.deepEqual(await scene.shown("keyferry_sync_age_seconds"), ["app 40"]);
    assert.deepEqual(await scene.shown("keyferry_sync_lag_seconds"), ["app 10"]);
    assert.deepEqual(await scene.shown("keyferry_sync_failures"), ["app VAULT_DENIED 2"]);
    assert.deepEqual(await scene.shown("controller_resource_status"), ["app 0"]);
    scene.later(2);
    scene.ran("app");
    scene.later(2);
    assert.deepEqual(await scene.shown("keyferry_sync_failures"), []);
    assert.deepEqual(await scene.shown("controller_resource_status"), ["app 1"]);
  });

  it("are of the worst ones when there are more than may have series", async () => {
    const scene = aScene(2);
    for (const name of ["a", "b", "c", "d"]) {
      scene.ran(name);
      scene.later(10);
    }
    scene.ran("d", "KUBE_DENIED");
    assert.deepEqual((await scene.shown("keyferry_sync_age_seconds")).toSorted(), ["a 40", "d 10"]);
    assert.deepEqual(await scene.shown("keyferry_sync_series_left_out"), ["2"]);
  });

  it("know what the lease table knows, and forget what goes", async () => {
    const scene = aScene();
    const error = { code: "UNSUPPORTED", message: "", since: 0 } as const;
    scene.series.remember([
      aRow("parked", { error, attempts: 3 }),
      aRow("turning", { wheel: { period: 24, phase: 0 }, syncedAt: 1 }),
      aRow("gone", { key: `${keyOf("gone")}#u` as SyncKey }),
    ]);
    scene.later(40);
    assert.deepEqual(await scene.shown("keyferry_sync_failures"), ["parked UNSUPPORTED 3"]);
    assert.deepEqual(await scene.shown("keyferry_sync_lag_seconds"), ["turning 10"]);
    scene.series.forget(keyOf("parked"));
    scene.later(2);
    assert.deepEqual(await scene.shown("keyferry_sync_failures"), []);
  });

  it("are none when there may be none", async () => {
    const scene = aScene(0);
    scene.ran("app");
    assert.ok(!(await scene.text()).includes("keyferry_sync_age_seconds"));
  });

  it("VSO's own names count syncs, and what they refer to as resources only", async () => {
    const scene = aScene();
    scene.ran("app");
    scene.ran("app", "VAULT_DENIED");
    scene.ran("default", undefined, "VaultAuth");
    const text = await scene.text();
    for (const line of [
      'vso_secret_sync_total{controller="vaultstaticsecret",cluster="east"} 2',
      'vso_secret_sync_errors_total{controller="vaultstaticsecret",cluster="east",code="VAULT_DENIED"} 1',
      'controller_runtime_reconcile_total{controller="vaultauth",result="success"} 1',
      'controller_resource_status{controller="vaultauth",name="default",namespace="shop",cluster="east"} 1',
    ]) {
      assert.ok(text.includes(line), line);
    }
    assert.ok(!text.includes('vso_secret_sync_total{controller="vaultauth"'));
  });
});
