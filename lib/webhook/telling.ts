import { described } from "../described.ts";
import type { Log, LogFields, Metrics } from "../ports/telemetry.ts";
import { injectionType } from "./injection-type.ts";
import type { FinishedReview, WebhookOptions } from "./webhook.ts";

/** Reasons of one refusal in the log. */
const MAX_REASONS = 10;
const MAX_TEXT = 500;
/** Namespaces with metric series of their own; all others share one. */
const MAX_NAMESPACES = 2_000;
const OTHER = "other";

export interface TellingDeps {
  readonly log: Log;
  readonly metrics: Pick<Metrics, "count" | "observe">;
}

/** Counts and logs what the webhook did. No line has an annotation's value, an environment or a configuration. */
export function telling({ log, metrics }: TellingDeps): Pick<WebhookOptions, "onFinished" | "onUnknownKey"> {
  const placeOf = boundedPlaces();
  const countInjection = (cluster: string, { reviewed, input }: FinishedReview): void => {
    // A dry run makes no pod.
    const type = isDryRun(input) ? undefined : injectionType(reviewed?.body);
    if (type === undefined) return;
    const namespace = placeOf(cluster, reviewed?.namespace);
    metrics.count("vault_agent_injector_injections_by_namespace_total", { cluster, namespace, injection_type: type });
  };
  return {
    onUnknownKey: () => metrics.count("keyferry_injector_reviews_total", { cluster: "", result: "unknown-key" }),
    onFinished(review) {
      const { cluster, result, ms, reviewed, error } = review;
      const at = { cluster, ...podOf(review) };
      metrics.count("keyferry_injector_reviews_total", { cluster, result });
      metrics.observe("vault_agent_injector_request_processing_duration_ms", { cluster }, ms);
      switch (result) {
        case "injected":
          countInjection(cluster, review);
          log.debug("pod-injected", at);
          return;
        case "refused":
          if (!isDryRun(review.input)) {
            const namespace = placeOf(cluster, reviewed?.namespace);
            metrics.count("vault_agent_injector_failed_injections_by_namespace_total", { cluster, namespace });
          }
          log.warn("pod-refused", { ...at, reasons: reasonsOf(reviewed?.reasons ?? []) });
          return;
        case "bad":
          log.warn("review-malformed", { cluster, reasons: reasonsOf(reviewed?.reasons ?? []) });
          return;
        case "crashed":
          metrics.count("keyferry_bugs_total", {});
          log.error("review-crashed", { ...at, ...described(error) });
          return;
        case "ignored":
          log.debug("pod-ignored", at);
      }
    },
  };
}

function reasonsOf(reasons: readonly string[]): readonly string[] {
  return reasons.slice(0, MAX_REASONS).map((reason) => reason.slice(0, MAX_TEXT));
}

/** What a pod is called: most have a name only after this. */
function podOf({ reviewed, input }: FinishedReview): LogFields {
  const metadata = memberOf(memberOf(memberOf(input, "request"), "object"), "metadata");
  const named = { name: memberOf(metadata, "name"), generateName: memberOf(metadata, "generateName") };
  const texts = Object.entries({ namespace: reviewed?.namespace, ...named }).flatMap(([field, value]) =>
    typeof value === "string" && value !== "" ? [[field, value.slice(0, MAX_TEXT)] as const] : [],
  );
  return Object.fromEntries(texts);
}

function isDryRun(input: unknown): boolean {
  return memberOf(memberOf(input, "request"), "dryRun") === true;
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** Namespaces come from clusters: their number must not decide how much memory the metrics take. */
function boundedPlaces(): (cluster: string, namespace?: string) => string {
  const known = new Set<string>();
  return (cluster, namespace = "") => {
    const place = `${cluster}/${namespace}`;
    if (known.has(place)) return namespace;
    if (known.size >= MAX_NAMESPACES) return OTHER;
    known.add(place);
    return namespace;
  };
}
