import { described } from "../described.ts";
import type { Log, LogFields, Metrics } from "../ports/telemetry.ts";
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
export function telling(deps: TellingDeps): Pick<WebhookOptions, "onFinished" | "onUnknownKey"> {
  const { log, metrics } = deps;
  const count = counting(deps);
  return {
    onUnknownKey: () => metrics.count("keyferry_injector_reviews_total", { cluster: "", result: "unknown-key" }),
    onFinished(review) {
      count(review);
      const { cluster, result, error } = review;
      switch (result) {
        case "injected":
          log.debug("pod-injected", podOf(review));
          return;
        case "ignored":
          log.debug("pod-ignored", podOf(review));
          return;
        case "refused":
          log.warn("pod-refused", { ...podOf(review), reasons: reasonsOf(review) });
          return;
        case "bad":
          log.warn("review-malformed", { cluster, reasons: reasonsOf(review) });
          return;
        case "crowded":
          log.warn("review-crowded", { cluster, reasons: reasonsOf(review) });
          return;
        case "crashed":
          log.error("review-crashed", { cluster, ...described(error) });
      }
    },
  };
}

/** A dry run makes no pod, so it is neither an injection nor a failed one. */
function counting({ metrics }: Pick<TellingDeps, "metrics">): (review: FinishedReview) => void {
  const placeOf = boundedPlaces();
  return ({ cluster, result, ms, outcome }) => {
    metrics.count("keyferry_injector_reviews_total", { cluster, result });
    metrics.observe("vault_agent_injector_request_processing_duration_ms", { cluster }, ms);
    if (result === "crashed") metrics.count("keyferry_bugs_total", {});
    if (outcome === undefined || outcome.isDryRun) return;
    if (result === "injected" && outcome.injection !== undefined) {
      const labels = { ...placeOf(cluster, outcome.namespace), injection_type: outcome.injection };
      metrics.count("vault_agent_injector_injections_by_namespace_total", labels);
    }
    if (result !== "refused") return;
    const labels = placeOf(cluster, outcome.namespace);
    metrics.count("vault_agent_injector_failed_injections_by_namespace_total", labels);
  };
}

/** What a refused pod is called: most have no name yet. */
function podOf({ cluster, outcome }: FinishedReview): LogFields {
  const { namespace, generateName } = outcome ?? {};
  return { cluster, namespace, generateName };
}

function reasonsOf({ outcome, reason }: FinishedReview): readonly string[] {
  const reasons = outcome?.reasons ?? (reason === undefined ? [] : [reason]);
  return reasons.slice(0, MAX_REASONS).map((reason) => reason.slice(0, MAX_TEXT));
}

/** Namespaces come from clusters: their number must not decide how much memory the metrics take. */
function boundedPlaces(): (cluster: string, namespace?: string) => { cluster: string; namespace: string } {
  const known = new Set<string>();
  return (cluster, namespace = "") => {
    const place = `${cluster}/${namespace}`;
    const isKnown = known.has(place) || known.size < MAX_NAMESPACES;
    if (isKnown) known.add(place);
    return { cluster, namespace: isKnown ? namespace : OTHER };
  };
}
