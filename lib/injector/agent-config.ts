import type { Json } from "../util/json.ts";
import { given } from "./connection.ts";
import type { Injection } from "./injection.ts";
import type { Notes } from "./notes.ts";
import { tokenFile } from "./secrets.ts";
import { telemetryOf } from "./telemetry.ts";

/** The configuration that the agent gets as `VAULT_CONFIG`. */

export const HOME = "/home/vault";
export const CACHE_PATH = "/vault/agent-cache";

type JsonMap = { readonly [key: string]: Json };
export type Role = "init" | "sidecar";

const TOKEN_SINK = `${HOME}/.vault-token`;
/** Where the agent looks for the token that protects a stored cache, unless it is told. */
const USUAL_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const FEATURES: ReadonlySet<string> = new Set(["auto-auth", "caching", "templating"]);

/** Both agents have the same configuration, but that the one of the init container ends after its work. */
export function agentConfigs(injection: Injection, notes: Notes): Readonly<Record<Role, JsonMap>> {
  const common = commonConfig(injection, notes);
  return {
    init: { ...common, exit_after_auth: true, ...cacheConfig(injection, "init") },
    sidecar: { ...common, exit_after_auth: false, ...cacheConfig(injection, "sidecar") },
  };
}

function commonConfig(injection: Injection, notes: Notes): JsonMap {
  const telemetry = telemetryOf(injection.values, notes);
  return {
    auto_auth: { method: method(injection), sink: sinks(injection) },
    pid_file: `${HOME}/.pid`,
    vault: vaultBlock(injection),
    template: injection.secrets.map(template),
    template_config: templateConfig(injection),
    ...features(
      "disable_idle_connections",
      "agent-disable-idle-connections",
      "disableIdleConnections",
      injection,
      notes,
    ),
    ...features("disable_keep_alives", "agent-disable-keep-alives", "disableKeepAlives", injection, notes),
    ...(telemetry === undefined ? {} : { telemetry }),
  };
}

function method({ connection, token, values, settings }: Injection): JsonMap {
  return {
    type: connection.authType,
    mount_path: connection.authPath,
    ...given("min_backoff", values.get("auth-min-backoff") ?? settings.authMinBackoff),
    ...given("max_backoff", values.get("auth-max-backoff") ?? settings.authMaxBackoff),
    ...given("namespace", connection.namespace),
    ...(values.get("agent-auto-auth-exit-on-err") ? { exit_on_err: true } : {}),
    config: { token_path: `${token.mountPath}/${token.file}`, ...Object.fromEntries(connection.authConfig) },
  };
}

function sinks({ values }: Injection): readonly JsonMap[] {
  const paths = values.get("agent-inject-token") ? [TOKEN_SINK, tokenFile(values)] : [TOKEN_SINK];
  return paths.map((path) => ({ type: "file", config: { path } }));
}

function vaultBlock({ connection }: Injection): JsonMap {
  return {
    address: connection.address,
    ...given("ca_cert", connection.caCert),
    ...given("ca_path", connection.caPath),
    ...(connection.skipsVerify ? { tls_skip_verify: true } : {}),
    ...given("client_cert", connection.clientCert),
    ...given("client_key", connection.clientKey),
    ...given("tls_server_name", connection.tlsServerName),
  };
}

function template(secret: Injection["secrets"][number]): JsonMap {
  return {
    destination: secret.destination,
    ...secret.template,
    left_delimiter: secret.delimiters.left,
    right_delimiter: secret.delimiters.right,
    ...given("command", secret.command),
    ...given("perms", secret.perms),
    ...(secret.errorOnMissingKey ? { error_on_missing_key: true } : {}),
  };
}

function templateConfig({ values, settings }: Injection): JsonMap {
  const connections = values.get("template-max-connections-per-host") ?? settings.maxConnectionsPerHost;
  const threshold = values.get("template-lease-renewal-threshold") ?? settings.leaseRenewalThreshold ?? 0;
  return {
    exit_on_retry_failure: values.get("template-config-exit-on-retry-failure") ?? settings.exitOnRetryFailure,
    ...given(
      "static_secret_render_interval",
      values.get("template-static-secret-render-interval") ?? settings.staticSecretRenderInterval,
    ),
    ...(connections === 0 ? {} : { max_connections_per_host: connections }),
    ...(threshold === 0 ? {} : { lease_renewal_threshold: threshold }),
  };
}

function features(
  field: string,
  annotation: "agent-disable-idle-connections" | "agent-disable-keep-alives",
  setting: "disableIdleConnections" | "disableKeepAlives",
  { values, settings }: Injection,
  notes: Notes,
): JsonMap {
  const list = values.get(annotation) ?? settings[setting];
  if (list.some((one) => !FEATURES.has(one))) {
    notes.warn(`vault.hashicorp.com/${annotation}`, "has a word other than auto-auth, caching, templating");
  }
  return list.length === 0 ? {} : { [field]: list };
}

function cacheConfig({ shape, values, token }: Injection, role: Role): JsonMap {
  const canQuit = values.get("agent-enable-quit") ?? false;
  const hasCache = shape.cache === "persistent" || (shape.cache === "memory" && role === "sidecar");
  if (!hasCache && !canQuit) return {};
  const listener = {
    type: "tcp",
    address: `127.0.0.1:${values.get("agent-cache-listener-port") ?? "8200"}`,
    tls_disable: true,
    ...(canQuit ? { agent_api: { enable_quit: true } } : {}),
  };
  if (!hasCache) return { listener: [listener], cache: {} };
  const tokenPath = `${token.mountPath}/${token.file}`;
  const persist = {
    type: "kubernetes",
    path: CACHE_PATH,
    ...(tokenPath === USUAL_TOKEN ? {} : { service_account_token_file: tokenPath }),
    ...(values.get("agent-cache-exit-on-err") ? { exit_on_err: true } : {}),
  };
  return {
    listener: [listener],
    cache: {
      use_auto_auth_token: values.get("agent-cache-use-auto-auth-token") ?? "true",
      ...(shape.cache === "persistent" ? { persist } : {}),
    },
  };
}
