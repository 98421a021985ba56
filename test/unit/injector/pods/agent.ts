import type { AgentConfig, Wanted } from "../wanted.ts";
import { memory } from "../wanted.ts";
import { both, type PodCase, setEnv, withEnv, withoutInit, withoutSidecar } from "./case.ts";

function config(change: (config: AgentConfig) => void): (wanted: Wanted) => void {
  return ({ configs }) => configs.forEach(change);
}

function method(fields: Readonly<Record<string, unknown>>): (wanted: Wanted) => void {
  return config(({ auto_auth }) => void Object.assign(auto_auth.method, fields));
}

function login(fields: Readonly<Record<string, string>>): (wanted: Wanted) => void {
  return config(({ auto_auth }) => void Object.assign(auto_auth.method.config, fields));
}

function vault(fields: Readonly<Record<string, unknown>>): (wanted: Wanted) => void {
  return config((one) => void Object.assign(one.vault, fields));
}

function top(fields: Readonly<Record<string, unknown>>): (wanted: Wanted) => void {
  return config((one) => void Object.assign(one, structuredClone(fields)));
}

function templates(fields: Readonly<Record<string, unknown>>): (wanted: Wanted) => void {
  return config((one) => void Object.assign(one.template_config, fields));
}

function listener(rest: Readonly<Record<string, unknown>> = {}, port = "8200") {
  return [{ type: "tcp", address: `127.0.0.1:${port}`, tls_disable: true, ...rest }];
}

const PERSIST = { type: "kubernetes", path: "/vault/agent-cache" };
const QUIT = { agent_api: { enable_quit: true } };

function cacheVolume({ pod, agents }: Wanted): void {
  pod.spec.volumes?.push(memory("vault-agent-cache"));
  for (const { volumeMounts } of agents) {
    volumeMounts?.push({ name: "vault-agent-cache", mountPath: "/vault/agent-cache" });
  }
}

function cached(cache: Readonly<Record<string, unknown>>, list = listener()): (wanted: Wanted) => void {
  return both(cacheVolume, top({ listener: list, cache: { use_auto_auth_token: "true", persist: PERSIST, ...cache } }));
}

export const AGENT: readonly PodCase[] = [
  { title: "a cache that the sidecar takes over", annotations: { "agent-cache-enable": "true" }, want: cached({}) },
  {
    title: "a cache that the sidecar takes over, with the token that is revoked on shutdown",
    annotations: { "agent-cache-enable": "true", "agent-revoke-on-shutdown": "true" },
    want: both(cached({}), ({ sidecar }) => {
      const line =
        'sleep 5 && VAULT_TOKEN="$(cat /home/vault/.vault-token)" vault token revoke -address=https://vault.example.com:8200 -self';
      sidecar.lifecycle = { preStop: { exec: { command: ["/bin/sh", "-c", line] } } };
    }),
  },
  {
    title: "a cache of the sidecar alone is in memory",
    annotations: { "agent-cache-enable": "true", "agent-pre-populate": "false" },
    want: both(({ configs: [, sidecar] }) => {
      sidecar.listener = listener();
      sidecar.cache = { use_auto_auth_token: "true" };
    }, withoutInit),
  },
  {
    title: "no cache without a sidecar",
    annotations: { "agent-cache-enable": "true", "agent-pre-populate-only": "true" },
    want: withoutSidecar,
  },
  {
    title: "a port of the agent",
    annotations: { "agent-cache-enable": "true", "agent-cache-listener-port": "8100" },
    want: cached({}, listener({}, "8100")),
  },
  {
    title: "requests to the agent without its token",
    annotations: { "agent-cache-enable": "true", "agent-cache-use-auto-auth-token": "force" },
    want: cached({ use_auto_auth_token: "force" }),
  },
  {
    title: "a cache that must be taken over",
    annotations: { "agent-cache-enable": "true", "agent-cache-exit-on-err": "true" },
    want: cached({ persist: { ...PERSIST, exit_on_err: true } }),
  },
  {
    title: "a cache that is protected by another token",
    annotations: { "agent-cache-enable": "true", "agent-service-account-token-volume-name": "own" },
    given: (pod) => {
      pod.spec.volumes?.push({ name: "own", projected: { sources: [{ serviceAccountToken: { path: "jwt" } }] } });
    },
    want: (want) => {
      const path = "/var/run/secrets/vault.hashicorp.com/serviceaccount";
      cached({ persist: { ...PERSIST, service_account_token_file: `${path}/jwt` } })(want);
      login({ token_path: `${path}/jwt` })(want);
      const [init, sidecar] = want.agents;
      init.volumeMounts?.splice(1, 1, { name: "own", mountPath: path, readOnly: true });
      sidecar.volumeMounts?.splice(0, 1, { name: "own", mountPath: path, readOnly: true });
    },
  },
  {
    title: "the agent may be stopped by its API",
    annotations: { "agent-enable-quit": "true" },
    want: top({ listener: listener(QUIT), cache: {} }),
  },
  {
    title: "the agent with a cache may be stopped by its API",
    annotations: { "agent-enable-quit": "true", "agent-cache-enable": "true", "agent-cache-listener-port": "1" },
    want: cached({}, listener(QUIT, "1")),
  },
  {
    title: "the agent with a cache in memory may be stopped by its API",
    annotations: { "agent-enable-quit": "true", "agent-cache-enable": "true", "agent-pre-populate": "false" },
    want: both(({ configs: [, sidecar] }) => {
      sidecar.listener = listener(QUIT);
      sidecar.cache = { use_auto_auth_token: "true" };
    }, withoutInit),
  },
  {
    title: "a failed login ends the agent",
    annotations: { "agent-auto-auth-exit-on-err": "true" },
    want: method({ exit_on_err: true }),
  },
  {
    title: "pauses after failed logins",
    annotations: { "auth-min-backoff": "500ms", "auth-max-backoff": "1m30.5s" },
    want: method({ min_backoff: "500ms", max_backoff: "1m30.5s" }),
  },
  {
    title: "no idle connections",
    annotations: { "agent-disable-idle-connections": "auto-auth, caching" },
    want: top({ disable_idle_connections: ["auto-auth", "caching"] }),
  },
  {
    title: "no keep-alives",
    annotations: { "agent-disable-keep-alives": "templating" },
    want: top({ disable_keep_alives: ["templating"] }),
  },
  {
    title: "an unknown feature, with a warning",
    annotations: { "agent-disable-keep-alives": "everything" },
    want: top({ disable_keep_alives: ["everything"] }),
    warnings: [/^vault\.hashicorp\.com\/agent-disable-keep-alives: has a word other than auto-auth/],
  },
  {
    title: "a failing template does not end the agent",
    annotations: { "template-config-exit-on-retry-failure": "false" },
    want: templates({ exit_on_retry_failure: false }),
  },
  {
    title: "how often secrets are read",
    annotations: { "template-static-secret-render-interval": "30s" },
    want: templates({ static_secret_render_interval: "30s" }),
  },
  {
    title: "connections of templates",
    annotations: { "template-max-connections-per-host": "4" },
    want: templates({ max_connections_per_host: 4 }),
  },
  {
    title: "the threshold of leases",
    annotations: { "template-lease-renewal-threshold": "0.75" },
    want: templates({ lease_renewal_threshold: 0.75 }),
  },
  {
    title: "telemetry, sorted, with the types of its parameters",
    annotations: {
      "agent-telemetry-prometheus-retention-time": "24h",
      "agent-telemetry-disable-hostname": "true",
      "agent-telemetry-maximum-gauge-cardinality": "500",
      "agent-telemetry-prefix-filter": '["+vault.token", "-vault.expire"]',
      "agent-telemetry-circonus-check-id": "4711",
      "agent-telemetry-statsd-address": '"127.0.0.1:8125"',
    },
    want: top({
      telemetry: {
        circonus_check_id: "4711",
        disable_hostname: true,
        maximum_gauge_cardinality: 500,
        prefix_filter: ["+vault.token", "-vault.expire"],
        prometheus_retention_time: "24h",
        statsd_address: "127.0.0.1:8125",
      },
    }),
  },
  {
    title: "telemetry of a wrong type is left out alone, with a warning",
    annotations: { "agent-telemetry-disable-hostname": "maybe", "agent-telemetry-filter-default": "false" },
    want: top({ telemetry: { filter_default: false } }),
    warnings: [/^vault\.hashicorp\.com\/agent-telemetry-disable-hostname: must be a boolean; it has no effect$/],
  },
  {
    title: "unknown telemetry is left out, with a warning",
    annotations: { "agent-telemetry-nonsense": "1" },
    warnings: [/^vault\.hashicorp\.com\/agent-telemetry-nonsense: is no parameter of the agent's telemetry/],
  },

  { title: "an address", annotations: { service: "http://vault:8200" }, want: vault({ address: "http://vault:8200" }) },
  { title: "an empty address is that of the settings", annotations: { service: "" } },
  { title: "a role", annotations: { role: "other" }, want: login({ role: "other" }) },
  {
    title: "the role comes before auth-config-role",
    annotations: { "auth-config-role": "other" },
  },
  {
    title: "auth-config-role alone",
    annotations: { "auth-config-role": "other", role: "" },
    want: login({ role: "other" }),
  },
  {
    title: "another login needs no role",
    annotations: { "auth-type": "approle", role: "", "auth-config-role-id-file-path": "/vault/custom/role" },
    want: ({ configs }) => {
      for (const { auto_auth } of configs) {
        auto_auth.method.type = "approle";
        const { token_path = "" } = auto_auth.method.config;
        auto_auth.method.config = { token_path, role_id_file_path: "/vault/custom/role" };
      }
    },
  },
  {
    title: "a mount of the login",
    annotations: { "auth-path": "auth/kubernetes-eu" },
    want: method({ mount_path: "auth/kubernetes-eu" }),
  },
  {
    title: "parameters of the login are texts",
    annotations: { "auth-config-remove-secret-id-file-after-reading": "false", "auth-config-x": "1" },
    want: login({ remove_secret_id_file_after_reading: "false", x: "1" }),
  },
  {
    title: "a parameter replaces the token's path",
    annotations: { "auth-config-token-path": "/vault/custom/jwt" },
    want: login({ token_path: "/vault/custom/jwt" }),
  },
  {
    title: "a Vault namespace",
    annotations: { namespace: "teams/shop" },
    want: method({ namespace: "teams/shop" }),
  },
  {
    title: "a proxy",
    annotations: { "proxy-address": "http://proxy:3128" },
    want: ({ agents }) => {
      for (const agent of agents) agent.env?.splice(-1, 0, { name: "HTTPS_PROXY", value: "http://proxy:3128" });
    },
  },
  {
    title: "TLS",
    annotations: {
      "tls-skip-verify": "true",
      "tls-server-name": "vault.internal",
      "ca-cert": "/vault/tls/ca.crt",
      "client-cert": "/vault/tls/client.crt",
      "client-key": "/vault/tls/client.key",
    },
    want: vault({
      tls_skip_verify: true,
      tls_server_name: "vault.internal",
      ca_cert: "/vault/tls/ca.crt",
      client_cert: "/vault/tls/client.crt",
      client_key: "/vault/tls/client.key",
    }),
  },
  { title: "a check of the certificate", annotations: { "tls-skip-verify": "false" } },
  {
    title: "ca-key is a folder of certificates",
    annotations: { "ca-key": "/vault/tls/cas" },
    want: vault({ ca_path: "/vault/tls/cas" }),
  },
  {
    title: "settings of the client",
    annotations: { "client-max-retries": "5", "client-timeout": "30s", "go-max-procs": "2" },
    want: withEnv(
      { name: "GOMAXPROCS", value: "2" },
      { name: "VAULT_CLIENT_TIMEOUT", value: "30s" },
      { name: "VAULT_MAX_RETRIES", value: "5" },
    ),
  },
  { title: "a log level", annotations: { "log-level": "debug" }, want: setEnv("VAULT_LOG_LEVEL", "debug") },
  { title: "a log format", annotations: { "log-format": "json" }, want: setEnv("VAULT_LOG_FORMAT", "json") },
];
