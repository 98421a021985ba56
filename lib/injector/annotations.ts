import type { InjectorSettings } from "../injector-settings.ts";
import type { ValueType } from "./value-types.ts";

/**
 * All annotations of the injector, in one table: it parses pods, complains about unknown names and documents. `of`:
 * what comes after the name and a hyphen: the name of a secret, or a parameter. `preset`: the value without the
 * annotation, as the documentation shows it; `setting`: the field of `injector` in fleet.yaml that holds it.
 */
export interface Annotation {
  readonly name: string;
  readonly type: ValueType;
  readonly of?: "secret" | "parameter";
  readonly preset?: string;
  readonly setting?: keyof InjectorSettings;
  readonly meaning: string;
}

export const VAULT_PREFIX = "vault.hashicorp.com/";
/** Of annotations that vault-k8s does not have. */
export const OWN_PREFIX = "keyferry.dev/";

export const STATUS_ANNOTATION = `${VAULT_PREFIX}agent-inject-status`;

const SECRETS = [
  { name: "agent-inject", type: "bool", meaning: "Whether the pod gets an agent." },
  {
    name: "agent-inject-status",
    type: "text",
    meaning: "`injected`: the pod has its agent and stays as it is. The injector writes it.",
  },
  {
    name: "agent-inject-secret",
    of: "secret",
    type: "text",
    meaning: "Declares a secret: its path in Vault, for the default template.",
  },
  {
    name: "agent-inject-template",
    of: "secret",
    type: "text",
    meaning: "Declares a secret: the template of its file. It comes before a template file.",
  },
  {
    name: "agent-inject-template-file",
    of: "secret",
    type: "text",
    meaning: "Declares a secret: the path of its template in the agent's container.",
  },
  {
    name: "agent-inject-file",
    of: "secret",
    type: "text",
    preset: "the secret's name",
    meaning: "File of the secret, below the path of its volume.",
  },
  {
    name: "agent-inject-perms",
    of: "secret",
    type: "text",
    preset: "`0644`, by the agent",
    meaning: "Permissions of the file, as an octal number.",
  },
  {
    name: "agent-inject-command",
    of: "secret",
    type: "text",
    meaning: "Command that the agent runs in its container after each rendering.",
  },
  {
    name: "agent-template-left-delim",
    of: "secret",
    type: "text",
    preset: "`{{`",
    meaning: "Left delimiter of the template.",
  },
  {
    name: "agent-template-right-delim",
    of: "secret",
    type: "text",
    preset: "`}}`",
    meaning: "Right delimiter of the template.",
  },
  {
    name: "error-on-missing-key",
    of: "secret",
    type: "bool",
    preset: "`false`",
    meaning: "Fail when the template names a missing field.",
  },
  {
    name: "preserve-secret-case",
    type: "bool",
    preset: "`false`",
    meaning: "Keep upper case in the names of files. Otherwise the secret's name is lower-cased.",
  },
  {
    name: "preserve-secret-case",
    of: "secret",
    type: "bool",
    preset: "that of the pod",
    meaning: "The same for one secret.",
  },
  {
    name: "secret-volume-path",
    type: "text",
    preset: "`/vault/secrets`",
    meaning: "Where the files of secrets are mounted.",
  },
  {
    name: "secret-volume-path",
    of: "secret",
    type: "text",
    preset: "that of the pod",
    meaning: "The same for one secret; another path is another volume.",
  },
  {
    name: "agent-inject-default-template",
    type: "format",
    setting: "defaultTemplate",
    meaning: "Default template: a line `key: value` for each field, or one JSON object.",
  },
  {
    name: "agent-inject-containers",
    type: "list",
    preset: "all",
    meaning: "Containers of the pod that get the files.",
  },
  {
    name: "agent-inject-token",
    type: "bool",
    preset: "`false`",
    meaning: "Also write Vault's token, to the file `token` beside the secrets.",
  },
] as const satisfies readonly Annotation[];

const SHAPE = [
  { name: "agent-pre-populate", type: "bool", preset: "`true`", meaning: "Render all files before the pod starts." },
  { name: "agent-pre-populate-only", type: "bool", preset: "`false`", meaning: "Only render before the start." },
  { name: "agent-init-first", type: "bool", preset: "`false`", meaning: "Run the agent before other init containers." },
  { name: "agent-image", type: "text", setting: "image", meaning: "Image of the agent." },
  {
    name: "agent-configmap",
    type: "text",
    meaning:
      "ConfigMap with `config-init.hcl` and `config.hcl`, the agent's configuration in place of the generated one.",
  },
  { name: "agent-extra-secret", type: "text", meaning: "Secret that the agent gets at `/vault/custom`." },
  {
    name: "agent-copy-volume-mounts",
    type: "text",
    meaning: "Container whose volumes the agent gets too, without service account tokens.",
  },
  {
    name: "agent-request-namespace",
    type: "text",
    preset: "the pod's namespace",
    meaning: "No effect. It must not be empty.",
  },
  { name: "agent-limits-cpu", type: "quantity", setting: "cpuLimit", meaning: "CPU limit; empty: none." },
  { name: "agent-limits-mem", type: "quantity", setting: "memoryLimit", meaning: "Memory limit; empty: none." },
  {
    name: "agent-limits-ephemeral",
    type: "quantity",
    setting: "ephemeralStorageLimit",
    meaning: "Limit of ephemeral storage; empty: none.",
  },
  { name: "agent-requests-cpu", type: "quantity", setting: "cpuRequest", meaning: "CPU request; empty: none." },
  { name: "agent-requests-mem", type: "quantity", setting: "memoryRequest", meaning: "Memory request; empty: none." },
  {
    name: "agent-requests-ephemeral",
    type: "quantity",
    setting: "ephemeralStorageRequest",
    meaning: "Request of ephemeral storage; empty: none.",
  },
  {
    name: "agent-revoke-on-shutdown",
    type: "bool",
    setting: "revokeOnShutdown",
    meaning: "Revoke the agent's token when the pod stops.",
  },
  {
    name: "agent-revoke-grace",
    type: "seconds",
    preset: "`5`",
    meaning: "Time before the token is revoked.",
  },
  { name: "agent-run-as-user", type: "id", setting: "runAsUser", meaning: "User id of the agent." },
  { name: "agent-run-as-group", type: "id", setting: "runAsGroup", meaning: "Group id of the agent." },
  {
    name: "agent-run-as-same-user",
    type: "bool",
    setting: "runAsSameUser",
    meaning: "Run as the user of the first container that gets the files.",
  },
  {
    name: "agent-set-security-context",
    type: "bool",
    setting: "setSecurityContext",
    meaning: "Give the agent's containers a security context.",
  },
  {
    name: "agent-share-process-namespace",
    type: "bool",
    meaning: "Set `shareProcessNamespace` of the pod, so that commands can signal the application.",
  },
  {
    name: "agent-service-account-token-volume-name",
    type: "text",
    preset: "the volume at a path with `serviceaccount`",
    meaning: "Volume with the token to log in with.",
  },
  { name: "agent-json-patch", type: "patch", meaning: "JSON Patch for the finished sidecar." },
  { name: "agent-init-json-patch", type: "patch", meaning: "JSON Patch for the finished init container." },
] as const satisfies readonly Annotation[];

const AGENT = [
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

const CONNECTION = [
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

const OWN = [
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

export interface Group {
  readonly title: string;
  readonly prefix: string;
  readonly annotations: readonly Annotation[];
}

export const GROUPS = [
  { title: "Secrets", prefix: VAULT_PREFIX, annotations: SECRETS },
  { title: "Containers", prefix: VAULT_PREFIX, annotations: SHAPE },
  { title: "The agent", prefix: VAULT_PREFIX, annotations: AGENT },
  { title: "The connection to Vault", prefix: VAULT_PREFIX, annotations: CONNECTION },
  { title: "Beyond vault-k8s", prefix: OWN_PREFIX, annotations: OWN },
] as const satisfies readonly Group[];

export type Entry = (typeof GROUPS)[number]["annotations"][number];
/** Annotations of the whole pod. */
export type PodEntry = Exclude<Entry, { readonly of: string }>;
/** Annotations that a secret's name follows. */
export type SecretEntry = Extract<Entry, { readonly of: "secret" }>;
export type ParameterEntry = Extract<Entry, { readonly of: "parameter" }>;
