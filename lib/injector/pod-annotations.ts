import type { Annotation } from "./annotation.ts";

/** Annotations about secrets, and about the containers that the pod gets. */

export const SECRETS = [
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

export const SHAPE = [
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
    meaning:
      "Revoke the agent's token when the pod stops: that of the sidecar, and with `agent-cache-enable` that of the init container, which is the same.",
  },
  {
    name: "agent-revoke-grace",
    type: "seconds",
    preset: "`5`",
    meaning:
      "Time before the token is revoked, shorter than the pod's `terminationGracePeriodSeconds`. A native sidecar needs none: it ends after the pod's own containers.",
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
