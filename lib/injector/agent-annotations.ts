import type { Annotation } from "./annotation.ts";

/** Annotations about the agent and its connection to Vault, and those that HashiCorp's injector does not have. */

export const AGENT = [
  {
    name: "agent-cache-enable",
    type: "bool",
    preset: "`false`",
    meaning:
      "Cache tokens and leases. With init container and sidecar, the sidecar takes over those of the init container.",
  },
  { name: "agent-cache-listener-port", type: "text", preset: "`8200`", meaning: "Port of the agent on 127.0.0.1." },
  {
    name: "agent-cache-use-auto-auth-token",
    type: "text",
    preset: "`true`",
    meaning: "Whether requests to the agent's port get its token: `true`, `false` or `force`.",
  },
  {
    name: "agent-cache-exit-on-err",
    type: "bool",
    preset: "`false`",
    meaning: "End when the cache cannot be taken over.",
  },
  { name: "agent-enable-quit", type: "bool", preset: "`false`", meaning: "Let the pod stop the agent by its API." },
  {
    name: "agent-auto-auth-exit-on-err",
    type: "bool",
    preset: "`false`",
    meaning: "End when the login fails. Otherwise the agent tries again without end.",
  },
  {
    name: "auth-min-backoff",
    type: "duration",
    setting: "authMinBackoff",
    meaning: "First pause after a failed login; `1s` if nothing sets it.",
  },
  {
    name: "auth-max-backoff",
    type: "duration",
    setting: "authMaxBackoff",
    meaning: "Longest pause after a failed login; `5m` if nothing sets it.",
  },
  {
    name: "agent-disable-idle-connections",
    type: "list",
    setting: "disableIdleConnections",
    meaning: "Features that keep no idle connections: `auto-auth`, `caching`, `templating`.",
  },
  {
    name: "agent-disable-keep-alives",
    type: "list",
    setting: "disableKeepAlives",
    meaning: "Features that use each connection once: `auto-auth`, `caching`, `templating`.",
  },
  {
    name: "template-config-exit-on-retry-failure",
    type: "bool",
    setting: "exitOnRetryFailure",
    meaning: "End when a template still fails after all retries.",
  },
  {
    name: "template-static-secret-render-interval",
    type: "text",
    setting: "staticSecretRenderInterval",
    meaning: "How often secrets without a lease are read; `5m` if nothing sets it.",
  },
  {
    name: "template-max-connections-per-host",
    type: "count",
    setting: "maxConnectionsPerHost",
    meaning: "Connections of templates to Vault at the same time; 0: any number.",
  },
  {
    name: "template-lease-renewal-threshold",
    type: "fraction",
    setting: "leaseRenewalThreshold",
    meaning: "Part of its life after which a lease that cannot be renewed is replaced; `0.90` if nothing sets it.",
  },
  {
    name: "agent-telemetry",
    of: "parameter",
    type: "text",
    meaning: "Parameter of the agent's telemetry, with hyphens for underscores.",
  },
] as const satisfies readonly Annotation[];

export const CONNECTION = [
  { name: "service", type: "text", setting: "vaultAddress", meaning: "Address of Vault." },
  { name: "role", type: "text", meaning: "Role to log in as. It comes before `auth-config-role`." },
  { name: "auth-type", type: "text", setting: "authType", meaning: "Method of the login." },
  { name: "auth-path", type: "text", setting: "authPath", meaning: "Mount of the login." },
  {
    name: "auth-config",
    of: "parameter",
    type: "text",
    meaning: "Parameter of the login method, with hyphens for underscores.",
  },
  { name: "namespace", type: "text", setting: "vaultNamespace", meaning: "Vault namespace." },
  { name: "proxy-address", type: "text", setting: "proxyAddress", meaning: "HTTP proxy to Vault." },
  { name: "tls-secret", type: "text", meaning: "Secret that the agent gets at `/vault/tls`." },
  { name: "tls-skip-verify", type: "bool", preset: "`false`", meaning: "Do not check Vault's certificate." },
  { name: "tls-server-name", type: "text", meaning: "Name in Vault's certificate." },
  { name: "ca-cert", type: "text", meaning: "Path of the CA's certificate, such as `/vault/tls/ca.crt`." },
  { name: "ca-key", type: "text", meaning: "Path of a folder of CA certificates, despite its name." },
  { name: "client-cert", type: "text", meaning: "Path of the client's certificate." },
  { name: "client-key", type: "text", meaning: "Path of the client's key." },
  { name: "client-max-retries", type: "text", meaning: "Retries of a request to Vault." },
  { name: "client-timeout", type: "text", meaning: "Longest time of a request to Vault." },
  { name: "go-max-procs", type: "text", meaning: "Processors that the agent uses." },
  { name: "log-level", type: "text", preset: "`info`", meaning: "Log level of the agent." },
  { name: "log-format", type: "text", preset: "`standard`", meaning: "Log format of the agent: `standard` or `json`." },
] as const satisfies readonly Annotation[];

export const OWN = [
  {
    name: "agent-native-sidecar",
    type: "bool",
    setting: "nativeSidecar",
    meaning: "Run the sidecar as an init container that stays (Kubernetes 1.29 and later), so that Jobs end.",
  },
  {
    name: "agent-seccomp-profile",
    type: "seccomp",
    setting: "seccompProfile",
    meaning: "`RuntimeDefault`: the seccomp profile that Pod Security `restricted` asks for.",
  },
  {
    name: "agent-binary",
    type: "binary",
    setting: "binary",
    meaning: "Program in the agent's image: `bao` for images of OpenBao.",
  },
  {
    name: "agent-env",
    of: "secret",
    type: "bool",
    preset: "`false`",
    meaning: "Start the containers with the secret's fields as environment variables: see below.",
  },
] as const satisfies readonly Annotation[];
