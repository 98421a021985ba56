import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TELEMETRY_PARAMETERS } from "../../../lib/injector/telemetry.ts";
import { VALUE_TYPES, type ValueType } from "../../../lib/injector/value-types.ts";
import { aPod, patchedPod, readable, reviewOf } from "./support.ts";

const ACCEPTED: readonly (readonly [ValueType, string, unknown])[] = [
  ...["1", "t", "T", "true", "TRUE", "True"].map((text) => ["bool", text, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False", ""].map((text) => ["bool", text, false] as const),
  ["text", " ", " "],
  ["list", "a, b,,c ", ["a", "b", "c"]],
  ["id", "+7", 7],
  ["id", "2147483647", 2_147_483_647],
  ["seconds", "31536000", 31_536_000],
  ["count", "0", 0],
  ...["0", "1", ".5", "1.", "5e-1", "+0.25"].map((text) => ["fraction", text, Number(text)] as const),
  ...["0", "1s", "-1s", "+2h45m", "1.5h", ".5s", "1us", "1µs", "1μs", "3ns"].map(
    (text) => ["duration", text, text] as const,
  ),
  ...["1", "1.5", ".5", "250m", "64Mi", "1e3", "1E-3", "2Ei", "3k", "+1"].map(
    (text) => ["quantity", text, text] as const,
  ),
  ["quantity", "", null],
  ["format", "JSON", "json"],
  ["binary", "bao", "bao"],
  ["seccomp", "none", "none"],
];

const REFUSED: readonly (readonly [ValueType, string])[] = [
  ...["on", "tRUE", "-1", " 1", "null"].map((text) => ["bool", text] as const),
  ...["31536001", "1h"].map((text) => ["seconds", text] as const),
  ...["1", "s", "1d", "1s ", "1 s", "--1s", "1s1", "1".repeat(70)].map((text) => ["duration", text] as const),
  ...["m", "1mm", "1K", "1ki", "0x1", "1e", "1e1000"].map((text) => ["quantity", text] as const),
  ["format", "yaml"],
  ["format", ""],
];

const UNSET: readonly (readonly [ValueType, string])[] = [
  ...(["text", "list", "duration", "patch", "binary", "seccomp"] as const).map((type) => [type, ""] as const),
  ["list", " , "],
];

describe("the value of an annotation", () => {
  for (const [type, text, value] of ACCEPTED) {
    it(`of type ${type} may be ${JSON.stringify(text)}`, () => {
      assert.deepEqual(VALUE_TYPES[type].parse(text), { value });
    });
  }
  for (const [type, text] of REFUSED) {
    it(`of type ${type} is not ${JSON.stringify(text)}`, () => {
      const parsed = VALUE_TYPES[type].parse(text);
      assert.ok(typeof parsed === "object" && "problem" in parsed, text);
    });
  }
  for (const [type, text] of UNSET) {
    it(`of type ${type} is not set by ${JSON.stringify(text)}`, () => {
      assert.equal(VALUE_TYPES[type].parse(text), "unset");
    });
  }
});

describe("telemetry", () => {
  const VALUES = {
    string: ["text", "7", "true", '"quoted"', "[1]"],
    "whole number": ["7", "0", "-1"],
    boolean: ["true", "false"],
    "list of strings": ["[]", '["a","b"]'],
  };
  const WRONG = {
    string: [],
    "whole number": ["1.5", '"7"', "x", "true", "9007199254740993"],
    boolean: ["1", "TRUE", '"true"', "[true]"],
    "list of strings": ["a", "[1]", '["a",1]', "{}", "[[[[]]]]"],
  };

  function telemetryOf(name: string, value: string): unknown {
    const pod = aPod({ [`agent-telemetry-${name}`]: value });
    const [container] = readable(patchedPod(pod, reviewOf(pod))).spec.initContainers ?? [];
    const config = container?.env?.find((one) => one.name === "VAULT_CONFIG")?.value as { telemetry?: unknown };
    return config.telemetry;
  }

  it("has the parameters that Vault documents", () => {
    const circonus = ["api_token", "api_app", "api_url", "submission_interval", "submission_url", "check_id"];
    const more = ["check_force_metric_activation", "check_instance_id", "check_search_tag", "check_display_name"];
    const rest = ["check_tags", "broker_id", "broker_select_tag"];
    const byType = {
      string: [
        ...["usage_gauge_period", "lease_metrics_epsilon", "statsite_address", "statsd_address", "dogstatsd_addr"],
        ...[...circonus, ...more, ...rest].map((name) => `circonus_${name}`),
        ...["project_id", "location", "namespace"].map((name) => `stackdriver_${name}`),
        "prometheus_retention_time",
      ],
      "whole number": ["maximum_gauge_cardinality", "num_lease_metrics_buckets"],
      boolean: [
        ...["disable_hostname", "enable_hostname_label", "add_lease_metrics_namespace_labels", "filter_default"],
        "stackdriver_debug_logs",
      ],
      "list of strings": ["prefix_filter", "dogstatsd_tags"],
    };
    for (const [type, names] of Object.entries(byType)) {
      const found = [...TELEMETRY_PARAMETERS].filter((one) => one[1] === type).map(([name]) => name);
      assert.deepEqual(found.toSorted(), names.toSorted());
    }
    assert.equal(TELEMETRY_PARAMETERS.size, 31);
  });

  for (const [name, type] of TELEMETRY_PARAMETERS) {
    it(`takes a ${type} for ${name}`, () => {
      const annotation = name.replaceAll("_", "-");
      for (const value of VALUES[type]) {
        const expected = type !== "string" ? JSON.parse(value) : value === '"quoted"' ? "quoted" : value;
        assert.deepEqual(telemetryOf(annotation, value), { [name]: expected });
      }
      for (const value of WRONG[type]) assert.equal(telemetryOf(annotation, value), undefined, value);
    });
  }
});
