import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { telling } from "../../../lib/admission/telling.ts";
import type { ReviewOutcome } from "../../../lib/injector/review.ts";
import type { LogFields } from "../../../lib/ports/telemetry.ts";
import { prometheusMetrics } from "../../../lib/telemetry/metrics.ts";

interface Told {
  readonly lines: (readonly [level: string, event: string, fields: LogFields])[];
  /** The samples of all counters that are not zero. */
  counts(): Promise<Readonly<Record<string, number>>>;
  tell: ReturnType<typeof telling>;
}

function told(): Told {
  const lines: Told["lines"] = [];
  const metrics = prometheusMetrics();
  const write =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      void lines.push([level, event, fields]);
  const log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  return {
    lines,
    tell: telling({ log, metrics }),
    async counts() {
      const text = await metrics.registry.metrics();
      const samples = text.matchAll(/^((?:keyferry_injector|vault_agent)_\w+_total\{[^}]*\}) (\d+)$/gm);
      return Object.fromEntries([...samples].map(([, name, value]) => [name, Number(value)]));
    },
  };
}

/** The outcome of a review of a pod in namespace shop. */
function outcome(result: ReviewOutcome["result"], more: Partial<ReviewOutcome> = {}): ReviewOutcome {
  const body = { apiVersion: "v1", kind: "AdmissionReview", response: { uid: "u", allowed: true } } as const;
  return { status: 200, body, result, namespace: "shop", generateName: "web-", isDryRun: false, reasons: [], ...more };
}

describe("what the webhook tells", () => {
  it("has one log line for a refusal: where, which pod, why, and nothing of the pod itself", async () => {
    const { lines, tell, counts } = told();
    const reasons = ["vault.hashicorp.com/agent-limits-cpu: must be a quantity"];
    tell.onFinished({ cluster: "east", result: "refused", ms: 1, outcome: outcome("refused", { reasons }) });
    assert.deepEqual(lines, [
      ["warn", "pod-refused", { cluster: "east", namespace: "shop", generateName: "web-", reasons }],
    ]);
    assert.deepEqual(await counts(), {
      'keyferry_injector_reviews_total{cluster="east",result="refused"}': 1,
      'vault_agent_injector_failed_injections_by_namespace_total{cluster="east",namespace="shop"}': 1,
    });
  });

  it("bounds what others decide: reasons, names, and namespaces with series of their own", async () => {
    const { lines, tell, counts } = told();
    const reasons = Array.from({ length: 50 }, () => "x".repeat(2_000));
    for (let at = 0; at < 2_100; at++) {
      const refused = outcome("refused", { namespace: `n${at}`, reasons });
      tell.onFinished({ cluster: "east", result: "refused", ms: 1, outcome: refused });
    }
    assert.ok(JSON.stringify(lines[0]).length < 6_000);
    const series = Object.keys(await counts()).filter((name) => name.startsWith("vault_agent_injector_failed"));
    assert.equal(series.length, 2_001);
  });

  it("counts injections by what was added, without dry runs", async () => {
    const { tell, counts } = told();
    for (const injection of ["init_and_sidecar", "init_only", "sidecar_only"] as const) {
      for (const isDryRun of [true, false]) {
        tell.onFinished({
          cluster: "east",
          result: "injected",
          ms: 1,
          outcome: outcome("injected", { injection, isDryRun }),
        });
      }
    }
    tell.onFinished({ cluster: "east", result: "injected", ms: 1, outcome: outcome("injected") });
    tell.onFinished({ cluster: "east", result: "refused", ms: 1, outcome: outcome("refused", { isDryRun: true }) });
    const found = Object.entries(await counts()).filter(([name]) => name.includes("injections_by_namespace"));
    const of = (type: string): string =>
      `vault_agent_injector_injections_by_namespace_total{cluster="east",namespace="shop",injection_type="${type}"}`;
    assert.deepEqual(Object.fromEntries(found), {
      [of("init_and_sidecar")]: 1,
      [of("init_only")]: 1,
      [of("sidecar_only")]: 1,
    });
  });

  it("names a bug by its place only", () => {
    const { lines, tell } = told();
    tell.onFinished({ cluster: "east", result: "crashed", ms: 1, error: new TypeError("s3cr3t") });
    assert.deepEqual([lines[0]?.[0], lines[0]?.[1], lines[0]?.[2].error], ["error", "review-crashed", "TypeError"]);
    assert.doesNotMatch(JSON.stringify(lines), /s3cr3t/);
  });
});
