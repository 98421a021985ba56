import { TOKEN_PATH } from "../support.ts";
import type { Wanted } from "../wanted.ts";
import { each, INIT_STAYS, inTemplate, jsonOf, type PodCase } from "./case.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const IRSA = "/var/run/secrets/eks.amazonaws.com/serviceaccount";

function last(name: string, value: unknown): (wanted: Wanted) => void {
  return each((agent) => void agent.env?.push({ name, value }));
}

export const SETTINGS: readonly PodCase[] = [
  {
    title: "settings of the connection",
    settings: {
      vaultAddress: "https://eu.example.com",
      vaultNamespace: "eu",
      authType: "jwt",
      authPath: "auth/jwt-eu",
      proxyAddress: "http://proxy:3128",
      authMinBackoff: "2s",
      authMaxBackoff: "1m",
    },
    want: each((agent, config) => {
      config.vault.address = "https://eu.example.com";
      Object.assign(config.auto_auth.method, { type: "jwt", mount_path: "auth/jwt-eu", namespace: "eu" });
      Object.assign(config.auto_auth.method, { min_backoff: "2s", max_backoff: "1m" });
      agent.env?.splice(-1, 0, { name: "HTTPS_PROXY", value: "http://proxy:3128" });
    }),
  },
  {
    title: "annotations before settings of the connection",
    annotations: {
      service: "https://a",
      namespace: "b",
      "auth-type": "cert",
      "auth-path": "c",
      "auth-min-backoff": "1s",
      "auth-max-backoff": "2s",
    },
    settings: {
      vaultAddress: "https://eu.example.com",
      vaultNamespace: "eu",
      authType: "jwt",
      authPath: "auth/jwt-eu",
      authMinBackoff: "3s",
      authMaxBackoff: "4s",
    },
    want: each((_agent, { vault, auto_auth }) => {
      vault.address = "https://a";
      Object.assign(auto_auth.method, { type: "cert", mount_path: "c", namespace: "b" });
      Object.assign(auto_auth.method, { min_backoff: "1s", max_backoff: "2s" });
    }),
  },
  { title: "CA certificates", settings: { vaultCaCert: PEM }, want: last("VAULT_CACERT_BYTES", PEM) },
  {
    title: "CA certificates in base64",
    settings: { vaultCaCert: Buffer.from(PEM).toString("base64") },
    want: last("VAULT_CACERT_BYTES", PEM),
  },
  {
    title: "CA certificates that are neither PEM nor base64 stay as they are",
    settings: { vaultCaCert: "abcde" },
    want: last("VAULT_CACERT_BYTES", "abcde"),
  },
  {
    title: "an image, user and group",
    settings: { image: "vault:1", runAsUser: 0, runAsGroup: 5 },
    want: each((agent) => {
      agent.image = "vault:1";
      agent.securityContext = {
        ...(agent.securityContext as object),
        runAsUser: 0,
        runAsGroup: 5,
        runAsNonRoot: false,
      };
    }),
  },
  {
    title: "the user of the container",
    settings: { runAsSameUser: true },
    given: (pod) => {
      pod.spec.securityContext = { runAsUser: 33 };
    },
    want: each((agent) => {
      agent.securityContext = { ...(agent.securityContext as object), runAsUser: 33 };
    }),
  },
  {
    title: "the security context is set by an annotation",
    annotations: { "agent-set-security-context": "true" },
    settings: { setSecurityContext: false },
  },
  {
    title: "the token is revoked on shutdown",
    settings: { revokeOnShutdown: true },
    want: ({ sidecar }) => {
      const line =
        'sleep 5 && VAULT_TOKEN="$(cat /home/vault/.vault-token)" vault token revoke -address=https://vault.example.com:8200 -self';
      sidecar.lifecycle = { preStop: { exec: { command: ["/bin/sh", "-c", line] } } };
    },
    warnings: [INIT_STAYS],
  },
  {
    title: "the token is not revoked",
    annotations: { "agent-revoke-on-shutdown": "false" },
    settings: { revokeOnShutdown: true },
  },
  { title: "the default template", settings: { defaultTemplate: "json" }, want: inTemplate(jsonOf("kv/data/shop")) },
  {
    title: "the default template of the annotation",
    annotations: { "agent-inject-default-template": "map" },
    settings: { defaultTemplate: "json" },
  },
  {
    title: "limits and requests",
    settings: {
      cpuRequest: "1m",
      cpuLimit: "2m",
      memoryRequest: "3Mi",
      memoryLimit: "",
      ephemeralStorageRequest: "5Mi",
      ephemeralStorageLimit: "6Mi",
    },
    want: each((agent) => {
      agent.resources = {
        limits: { cpu: "2m", "ephemeral-storage": "6Mi" },
        requests: { cpu: "1m", memory: "3Mi", "ephemeral-storage": "5Mi" },
      };
    }),
  },
  {
    title: "templates",
    settings: {
      exitOnRetryFailure: false,
      staticSecretRenderInterval: "1m",
      maxConnectionsPerHost: 3,
      leaseRenewalThreshold: 0.5,
      disableIdleConnections: ["caching"],
      disableKeepAlives: ["auto-auth"],
    },
    want: each((_agent, config) => {
      config.template_config = {
        exit_on_retry_failure: false,
        static_secret_render_interval: "1m",
        max_connections_per_host: 3,
        lease_renewal_threshold: 0.5,
      };
      config.disable_idle_connections = ["caching"];
      config.disable_keep_alives = ["auto-auth"];
    }),
  },
  {
    title: "templates of the annotations",
    annotations: {
      "template-config-exit-on-retry-failure": "true",
      "template-max-connections-per-host": "0",
      "template-lease-renewal-threshold": "0",
    },
    settings: { exitOnRetryFailure: false, maxConnectionsPerHost: 3, leaseRenewalThreshold: 0.5 },
  },

  {
    title: "a token at another path",
    given: (pod) => {
      for (const { volumeMounts = [] } of pod.spec.containers) {
        for (const mount of volumeMounts) mount.mountPath = "/run/serviceaccount/vault";
      }
    },
    want: each((agent, config) => {
      config.auto_auth.method.config.token_path = "/run/serviceaccount/vault/token";
      for (const mount of agent.volumeMounts ?? []) {
        if (mount.mountPath === TOKEN_PATH) mount.mountPath = "/run/serviceaccount/vault";
      }
    }),
  },
  {
    title: "a path that only looks like a token's",
    given: (pod) => {
      pod.spec.volumes?.push({ name: "accounts", emptyDir: {} });
      pod.spec.containers[0]?.volumeMounts?.unshift({ name: "accounts", mountPath: "/etc/serviceaccounts" });
    },
  },
  {
    title: "a named token that a container mounts",
    annotations: { "agent-service-account-token-volume-name": "own" },
    given: (pod) => {
      pod.spec.volumes?.push({ name: "own", projected: { sources: [{}, { serviceAccountToken: { path: "a/jwt" } }] } });
      pod.spec.containers[1]?.volumeMounts?.push({ name: "own", mountPath: "/run/own" });
    },
    want: each(({ name, volumeMounts }, config) => {
      config.auto_auth.method.config.token_path = "/run/own/a/jwt";
      volumeMounts?.splice(name === "vault-agent" ? 0 : 1, 1, { name: "own", mountPath: "/run/own", readOnly: true });
    }),
  },
  {
    title: "the AWS identity of the pod",
    annotations: { "auth-type": "aws", "auth-config-region": "eu-central-1" },
    given: (pod) => {
      pod.spec.volumes?.push({ name: "aws-iam-token", projected: { sources: [] } });
      for (const container of pod.spec.containers) {
        container.volumeMounts?.push({ name: "aws-iam-token", mountPath: IRSA, readOnly: true });
        container.env = [
          { name: "AWS_STS_REGIONAL_ENDPOINTS", value: "regional" },
          { name: "AWS_WEB_IDENTITY_TOKEN_FILE", value: `${IRSA}/token` },
          { name: "AWS_REGION", value: "eu-west-1" },
          { name: "AWS_DEFAULT_REGION", value: "eu-west-2" },
          { name: "AWS_ROLE_ARN", valueFrom: { configMapKeyRef: { name: "aws", key: "role" } } },
        ];
      }
    },
    want: each((agent, config) => {
      config.auto_auth.method.type = "aws";
      config.auto_auth.method.config.region = "eu-central-1";
      agent.volumeMounts?.splice(2, 0, { name: "aws-iam-token", mountPath: IRSA, readOnly: true });
      agent.env?.push(
        { name: "AWS_ROLE_ARN", valueFrom: { configMapKeyRef: { name: "aws", key: "role" } } },
        { name: "AWS_WEB_IDENTITY_TOKEN_FILE", value: `${IRSA}/token` },
        { name: "AWS_DEFAULT_REGION", value: "eu-west-2" },
        { name: "AWS_REGION", value: "eu-central-1" },
      );
    }),
  },
  {
    title: "the token for AWS is the only one that the pod has",
    annotations: { "auth-type": "aws" },
    given: (pod) => {
      for (const { volumeMounts = [] } of pod.spec.containers) {
        for (const mount of volumeMounts) mount.mountPath = IRSA;
      }
    },
    want: each((agent, config) => {
      config.auto_auth.method.type = "aws";
      config.auto_auth.method.config.token_path = `${IRSA}/token`;
      for (const mount of agent.volumeMounts ?? []) if (mount.mountPath === TOKEN_PATH) mount.mountPath = IRSA;
    }),
  },
  {
    title: "a login by AWS without an identity of the pod",
    annotations: { "auth-type": "aws" },
    want: each((_agent, config) => {
      config.auto_auth.method.type = "aws";
    }),
  },
  {
    title: "a misspelled annotation has no effect, with a warning",
    annotations: { "agent-imgae": "x", "agent-something-else-entirely": "y" },
    warnings: [
      /^vault\.hashicorp\.com\/agent-imgae: is unknown and has no effect \(did you mean vault\.hashicorp\.com\/agent-image\?\)$/,
      /^vault\.hashicorp\.com\/agent-something-else-entirely: is unknown and has no effect$/,
    ],
  },
  { title: "agent-inject-status: update", annotations: { "agent-inject-status": "update" } },
];
