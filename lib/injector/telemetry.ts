import type { Json } from "../util/json.ts";
import { jsonExcess } from "../util/json-bounds.ts";
import type { AnnotationValues } from "./annotation-values.ts";
import { VAULT_PREFIX } from "./annotations.ts";
import type { Notes } from "./notes.ts";

export type TelemetryType = "string" | "whole number" | "boolean" | "list of strings";

/** Parameters of the agent's telemetry, as Vault documents them, with their types. */
export const TELEMETRY_PARAMETERS: ReadonlyMap<string, TelemetryType> = new Map([
  ["usage_gauge_period", "string"],
  ["maximum_gauge_cardinality", "whole number"],
  ["disable_hostname", "boolean"],
  ["enable_hostname_label", "boolean"],
  ["lease_metrics_epsilon", "string"],
  ["num_lease_metrics_buckets", "whole number"],
  ["add_lease_metrics_namespace_labels", "boolean"],
  ["filter_default", "boolean"],
  ["prefix_filter", "list of strings"],
  ["statsite_address", "string"],
  ["statsd_address", "string"],
  ["circonus_api_token", "string"],
  ["circonus_api_app", "string"],
  ["circonus_api_url", "string"],
  ["circonus_submission_interval", "string"],
  ["circonus_submission_url", "string"],
  ["circonus_check_id", "string"],
  ["circonus_check_force_metric_activation", "string"],
  ["circonus_check_instance_id", "string"],
  ["circonus_check_search_tag", "string"],
  ["circonus_check_display_name", "string"],
  ["circonus_check_tags", "string"],
  ["circonus_broker_id", "string"],
  ["circonus_broker_select_tag", "string"],
  ["dogstatsd_addr", "string"],
  ["dogstatsd_tags", "list of strings"],
  ["prometheus_retention_time", "string"],
  ["stackdriver_project_id", "string"],
  ["stackdriver_location", "string"],
  ["stackdriver_namespace", "string"],
  ["stackdriver_debug_logs", "boolean"],
]);

/** The agent's `telemetry`; undefined without parameters. A parameter of the wrong type is left out, with a warning. */
export function telemetryOf(values: AnnotationValues, notes: Notes): Readonly<Record<string, Json>> | undefined {
  const entries = [...values.parameters("agent-telemetry")].flatMap(
    ([name, text]): readonly (readonly [string, Json])[] => {
      const type = TELEMETRY_PARAMETERS.get(name);
      const subject = `${VAULT_PREFIX}agent-telemetry-${name.replaceAll("_", "-")}`;
      if (type === undefined) {
        notes.warn(subject, "is no parameter of the agent's telemetry and has no effect");
        return [];
      }
      const value = typed(text, type);
      if (value === undefined) notes.warn(subject, `must be a ${type}; it has no effect`);
      return value === undefined ? [] : [[name, value]];
    },
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function decoded(text: string): unknown {
  if (jsonExcess(Buffer.from(text), { depth: 2, values: 1_000 }) !== undefined) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function typed(text: string, type: TelemetryType): Json | undefined {
  const value = decoded(text);
  switch (type) {
    case "string":
      // A number such as a check's id is text to the agent.
      return typeof value === "string" ? value : text;
    case "whole number":
      return Number.isSafeInteger(value) ? (value as number) : undefined;
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "list of strings":
      return Array.isArray(value) && value.every((one) => typeof one === "string") ? (value as string[]) : undefined;
  }
}
