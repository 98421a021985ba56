import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { syncKey } from "../../../lib/keys.ts";
import type { FinishedRun } from "../../../lib/ports/telemetry.ts";
import { prometheusMetrics } from "../../../lib/telemetry/metrics.ts";

const keyOf = (name: string, kind = "Deployment") => syncKey({ cluster: "east", kind, namespace: "shop", name });

function aScene() {
  const metrics = prometheusMetrics();
  return {
    ...metrics,
    ran: (run: Partial<FinishedRun>) => metrics.ran({ key: keyOf("app"), at: 0, push: {}, ...run }),
    /** The series of a metric as `label=value,…: number`. */
    async shown(name: string): Promise<readonly string[]> {
      const found = (await metrics.registry.getMetricsAsJSON()).find(
        (one) => one.name === `vault_sync_operator_${name}`,
      );
      const values = (found?.values ?? []) as { labels: Record<string, string>; value: number }[];
      return values.map(({ labels, value }) => `${Object.values(labels).join(" ")}: ${value}`);
    },
  };
}

describe("metrics under the names of Vault Sync Operator", () => {
  it("count runs of pushes by object and kind, and none that had nothing to do", async () => {
    const scene = aScene();
    scene.ran({ push: { seconds: 0.2 } });
    scene.ran({ push: { isUnchanged: true } });
    scene.ran({ key: keyOf("app", "Secret"), code: "VAULT_DENIED" });
    scene.ran({ key: keyOf("app", "VaultStaticSecret") });
    assert.deepEqual(await scene.shown("sync_attempts_total"), [
      "east Deployment success shop app: 1",
      "east Secret failed shop app: 1",
    ]);
    assert.match(await scene.registry.metrics(), /sync_duration_seconds_count\{[^}]*kind="Deployment"[^}]*\} 1\n/);
  });

  it("name what Vault answered in the operator's words, and what is missing", async () => {
    const scene = aScene();
    for (const code of ["VAULT_DENIED", "VAULT_LOGIN_REFUSED", "VAULT_UNAVAILABLE", "VAULT_SEALED"] as const)
      scene.ran({ code });
    scene.ran({ code: "SOURCE_MISSING", push: { missing: [{ secret: "db" }, { secret: "api", key: "token" }] } });
    scene.ran({ code: "SPEC_INVALID" });
    assert.deepEqual(
      await scene.shown("vault_write_errors_total"),
      ["permission_denied", "auth_failed", "connection_failed", "unknown"].map((type) => `east Deployment ${type}: 1`),
    );
    assert.deepEqual(await scene.shown("secret_not_found_errors_total"), ["east Deployment shop db: 1"]);
    assert.deepEqual(await scene.shown("secret_key_missing_errors_total"), ["east Deployment shop api token: 1"]);
    assert.deepEqual(await scene.shown("config_parse_errors_total"), [
      "east Deployment invalid_annotation shop app: 1",
    ]);
  });

  it("tell how many Secrets an object pushes, until it is gone", async () => {
    const scene = aScene();
    scene.ran({ push: { secrets: 2 } });
    scene.ran({ push: { secrets: 3, isUnchanged: true } });
    assert.deepEqual(await scene.shown("secrets_discovered"), ["east Deployment shop app: 3"]);
    scene.forget(keyOf("app"));
    assert.deepEqual(await scene.shown("secrets_discovered"), []);
  });

  it("stay few, however many objects and Secrets there are", async () => {
    const scene = aScene();
    for (let number = 0; number < 1_200; number++) {
      const push = { secrets: 1, missing: [{ secret: `s${number}` }] };
      scene.ran({ key: keyOf(`app-${number}`), code: "SOURCE_MISSING", push });
    }
    for (const name of ["sync_attempts_total", "secret_not_found_errors_total"]) {
      const series = await scene.shown(name);
      assert.equal(series.length, 1_001, name);
      assert.match(series.at(-1) ?? "", /other(.*other)?: 200$/);
    }
    assert.equal((await scene.shown("secrets_discovered")).length, 1_000);
  });
});
