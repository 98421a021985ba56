import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogFields } from "../../../lib/ports/telemetry.ts";
import { prometheusMetrics } from "../../../lib/telemetry/metrics.ts";
import type { Reviewed } from "../../../lib/webhook/review.ts";
import { telling } from "../../../lib/webhook/telling.ts";

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

const pod = (more: object = {}): object => ({
  request: {
    object: {
      metadata: { generateName: "web-", annotations: { "vault.hashicorp.com/role": "s3cr3t" } },
      spec: { containers: [{ env: [{ value: "s3cr3t" }] }] },
    },
    ...more,
  },
});

const injected = (...paths: readonly [path: string, name: string][]): Reviewed => {
  const patch = paths.map(([path, name]) => ({ op: "add", path, value: { name } }));
  const body = { response: { patch: Buffer.from(JSON.stringify(patch)).toString("base64") } };
  return { status: 200, body, result: "injected", namespace: "shop", reasons: [] };
};

const BOTH = injected(["/spec/initContainers/-", "vault-agent-init"], ["/spec/containers/-", "vault-agent"]);

describe("what the webhook tells", () => {
  it("has one log line for a refusal: where, which pod, why, and nothing of the pod itself", async () => {
    const { lines, tell, counts } = told();
    const reasons = ["vault.hashicorp.com/agent-limits-cpu: must be a quantity"];
    const reviewed: Reviewed = { status: 200, body: {}, result: "refused", namespace: "shop", reasons };
    tell.onFinished({ cluster: "east", result: "refused", ms: 1, reviewed, input: pod() });
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
      const reviewed: Reviewed = { status: 200, body: {}, result: "refused", namespace: `n${at}`, reasons };
      tell.onFinished({ cluster: "east", result: "refused", ms: 1, reviewed, input: pod() });
    }
    assert.ok(JSON.stringify(lines[0]).length < 6_000);
    const series = Object.keys(await counts()).filter((name) => name.startsWith("vault_agent_injector_failed"));
    assert.equal(series.length, 2_001);
  });

  it("counts injections by what was added, without dry runs", async () => {
    const { tell, counts } = told();
    const tellOf = (reviewed: Reviewed, input = pod()): void =>
      tell.onFinished({ cluster: "east", result: "injected", ms: 1, reviewed, input });
    tellOf(BOTH);
    tellOf(BOTH, pod({ dryRun: true }));
    tellOf(injected(["/spec/initContainers", "vault-agent-init"]));
    tellOf(injected(["/spec/containers/-", "vault-agent"]));
    tellOf(injected(["/spec/volumes/-", "vault-agent"]));
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
    tell.onFinished({ cluster: "east", result: "crashed", ms: 1, error: new TypeError("s3cr3t"), input: pod() });
    assert.deepEqual([lines[0]?.[0], lines[0]?.[1], lines[0]?.[2].error], ["error", "review-crashed", "TypeError"]);
    assert.doesNotMatch(JSON.stringify(lines), /s3cr3t/);
  });

  it("survives input of any shape", () => {
    const { tell } = told();
    for (const input of [undefined, null, 1, "x", [], { request: 1 }, { request: { object: { metadata: [] } } }]) {
      tell.onFinished({ cluster: "east", result: "refused", ms: 1, input });
    }
  });
});
