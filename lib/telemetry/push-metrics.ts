import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { ErrorCode } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { FinishedRun } from "../ports/telemetry.ts";
import { pushingKind } from "../resource-kinds.ts";
import { boundedLabels, type Labels, MAX_SERIES } from "../util/bounded-labels.ts";

/**
 * The metrics of Vault Sync Operator, with its names, and with the cluster and the kind that its names lack. Paths of
 * Vault are no labels.
 */
export interface PushMetrics {
  ran(run: FinishedRun): void;
  /** The series of a declaration that is gone. */
  forget(key: SyncKey): void;
}

const PREFIX = "vault_sync_operator_";
const OF_KIND = ["cluster", "kind"];
const OF_OBJECT = [...OF_KIND, "namespace", "resource"];

/** The operator's words for failed writes. */
const WRITE_ERRORS: Readonly<Partial<Record<ErrorCode, string>>> = {
  VAULT_DENIED: "permission_denied",
  VAULT_LOGIN_REFUSED: "auth_failed",
  VAULT_PATH_MISSING: "invalid_path",
  UNSUPPORTED: "invalid_path",
  VAULT_UNAVAILABLE: "connection_failed",
  VAULT_NO_ANSWER: "connection_failed",
  VAULT_TLS_REFUSED: "connection_failed",
};

/** Adds them to a registry; they count the runs of pushes, and no others. */
export function pushMetrics(registry: Registry): PushMetrics {
  const counter = (name: string, help: string, labelNames: string[]): Counted => {
    const made = new Counter({ name: `${PREFIX}${name}`, help, labelNames, registers: [registry] });
    const bounded = boundedLabels();
    return (labels, free) => made.inc({ ...labels, ...bounded(free) });
  };
  const attempts = counter("sync_attempts_total", "Runs of pushes that had work to do.", [...OF_OBJECT, "result"]);
  const writes = counter("vault_write_errors_total", "Pushes that Vault refused or did not answer.", [
    ...OF_KIND,
    "error_type",
  ]);
  const secrets = counter("secret_not_found_errors_total", "Secrets that pushes lack.", [
    ...OF_KIND,
    "namespace",
    "secret_name",
  ]);
  const keys = counter("secret_key_missing_errors_total", "Keys of Secrets that pushes lack.", [
    ...OF_KIND,
    ...["namespace", "secret_name", "key"],
  ]);
  const annotations = counter("config_parse_errors_total", "Annotations that are not valid.", [
    ...OF_OBJECT,
    "error_type",
  ]);
  const seconds = durations(registry);
  const discovered = discoveredSecrets(registry);
  const failed = ({ key, code, push = {} }: FinishedRun): void => {
    const { cluster, kind, namespace, name: resource } = partsOf(key);
    const of = { cluster, kind };
    const error_type = code && writeErrorOf(code);
    if (error_type !== undefined) writes({ ...of, error_type }, {});
    if (code === "SPEC_INVALID") annotations({ ...of, error_type: "invalid_annotation" }, { namespace, resource });
    for (const { secret: secret_name, key: missing } of push.missing ?? []) {
      if (missing === undefined) secrets(of, { namespace, secret_name });
      else keys(of, { namespace, secret_name, key: missing });
    }
  };
  return {
    ran(run) {
      const { key, code, push = {} } = run;
      const { cluster, kind, namespace, name: resource } = partsOf(key);
      if (pushingKind(kind) === undefined) return;
      if (push.secrets !== undefined) discovered.set(key, push.secrets);
      if (push.isUnchanged) return;
      const result = code === undefined ? "success" : "failed";
      attempts({ cluster, kind, result }, { namespace, resource });
      seconds({ cluster, kind }, { namespace, resource }, push.seconds ?? 0);
      failed(run);
    },
    forget: (key) => void discovered.delete(key),
  };
}

function writeErrorOf(code: ErrorCode): string | undefined {
  return WRITE_ERRORS[code] ?? (code.startsWith("VAULT_") ? "unknown" : undefined);
}

/** `free`: labels whose values people choose. */
type Counted = (labels: Labels, free: Labels) => void;

function durations(registry: Registry): (of: Labels, object: Labels, seconds: number) => void {
  const histogram = new Histogram({
    name: `${PREFIX}sync_duration_seconds`,
    help: "Time from the start of a push's run to its end.",
    labelNames: OF_OBJECT,
    registers: [registry],
  });
  const bounded = boundedLabels();
  return (of, object, seconds) => histogram.observe({ ...of, ...bounded(object) }, seconds);
}

/** How many Secrets each declaration pushes, as it was last seen. */
function discoveredSecrets(registry: Registry): Map<SyncKey, number> {
  const discovered = new Map<SyncKey, number>();
  const gauge: Gauge = new Gauge({
    name: `${PREFIX}secrets_discovered`,
    help: "Secrets that an object pushes.",
    labelNames: OF_OBJECT,
    registers: [registry],
    collect() {
      gauge.reset();
      for (const [key, secrets] of [...discovered].slice(0, MAX_SERIES)) {
        const { cluster, kind, namespace, name: resource } = partsOf(key);
        gauge.set({ cluster, kind, namespace, resource }, secrets);
      }
    },
  });
  return discovered;
}
