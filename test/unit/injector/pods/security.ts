import type { Wanted } from "../wanted.ts";
import { both, INIT_STAYS, type PodCase, withoutInit, withoutSidecar } from "./case.ts";

function security(fields: Readonly<Record<string, unknown>>) {
  return ({ agents }: Wanted) => {
    for (const agent of agents) agent.securityContext = { ...(agent.securityContext as object), ...fields };
  };
}

function noSecurity({ agents }: Wanted): void {
  for (const agent of agents) delete agent.securityContext;
}

function preStop(line: string) {
  return ({ sidecar }: Wanted) => {
    sidecar.lifecycle = { preStop: { exec: { command: ["/bin/sh", "-c", line] } } };
  };
}

const REVOKE =
  'VAULT_TOKEN="$(cat /home/vault/.vault-token)" vault token revoke -address=https://vault.example.com:8200';

export const SECURITY: readonly PodCase[] = [
  {
    title: "the token is revoked on shutdown",
    annotations: { "agent-revoke-on-shutdown": "true" },
    want: preStop(`sleep 5 && ${REVOKE} -self`),
    warnings: [INIT_STAYS],
  },
  {
    title: "the token is revoked on shutdown, and no init container has another one",
    annotations: { "agent-revoke-on-shutdown": "true", "agent-pre-populate": "false" },
    want: both(withoutInit, preStop(`sleep 5 && ${REVOKE} -self`)),
  },
  {
    title: "nothing is revoked without a sidecar, with a warning",
    annotations: { "agent-revoke-on-shutdown": "true", "agent-pre-populate-only": "true" },
    want: withoutSidecar,
    warnings: [/agent-revoke-on-shutdown: has no effect with agent-pre-populate-only: the token and its leases stay/],
  },
  {
    title: "nothing is revoked by a pod that stops faster than its grace, with a warning",
    annotations: { "agent-revoke-on-shutdown": "true", "agent-pre-populate": "false", "agent-revoke-grace": "10" },
    given: ({ spec }) => void Object.assign(spec, { terminationGracePeriodSeconds: 10 }),
    want: both(withoutInit, preStop(`sleep 10 && ${REVOKE} -self`)),
    warnings: [/agent-revoke-grace: is not shorter than terminationGracePeriodSeconds of the pod/],
  },
  {
    title: "the token is revoked by a pod that stops slowly enough",
    annotations: { "agent-revoke-on-shutdown": "true", "agent-pre-populate": "false", "agent-revoke-grace": "29" },
    want: both(withoutInit, preStop(`sleep 29 && ${REVOKE} -self`)),
  },
  {
    title: "the token is revoked after a grace",
    annotations: { "agent-revoke-on-shutdown": "true", "agent-revoke-grace": "0" },
    want: preStop(`sleep 0 && ${REVOKE} -self`),
    warnings: [INIT_STAYS],
  },
  {
    title: "the token is revoked with certificates, namespace and the flags of TLS",
    annotations: {
      "agent-revoke-on-shutdown": "true",
      "ca-cert": "/vault/tls/ca.crt",
      "ca-key": "/vault/tls/cas",
      "client-cert": "/vault/tls/client.crt",
      "client-key": "/vault/tls/my client.key",
      "tls-server-name": "vault",
      namespace: "teams/shop",
      "tls-skip-verify": "true",
    },
    want: both(
      preStop(
        `sleep 5 && ${REVOKE} -namespace=teams/shop -ca-cert=/vault/tls/ca.crt -ca-path=/vault/tls/cas -client-cert=/vault/tls/client.crt '-client-key=/vault/tls/my client.key' -tls-server-name=vault -tls-skip-verify -self`,
      ),
      ({ configs }) => {
        for (const { auto_auth, vault } of configs) {
          auto_auth.method.namespace = "teams/shop";
          vault.ca_cert = "/vault/tls/ca.crt";
          vault.client_cert = "/vault/tls/client.crt";
          vault.client_key = "/vault/tls/my client.key";
          vault.tls_skip_verify = true;
          vault.ca_path = "/vault/tls/cas";
          vault.tls_server_name = "vault";
        }
      },
    ),
    warnings: [INIT_STAYS],
  },
  {
    title: "an address cannot leave its place in the shell's line",
    annotations: { "agent-revoke-on-shutdown": "true", service: "https://v;'$(id)" },
    want: both(
      preStop(
        `sleep 5 && VAULT_TOKEN="$(cat /home/vault/.vault-token)" vault token revoke '-address=https://v;'\\''$(id)' -self`,
      ),
      ({ configs }) => {
        for (const { vault } of configs) vault.address = "https://v;'$(id)";
      },
    ),
    warnings: [INIT_STAYS],
  },
  {
    title: "a user and a group",
    annotations: { "agent-run-as-user": "1001", "agent-run-as-group": "2002" },
    want: security({ runAsUser: 1001, runAsGroup: 2002 }),
  },
  {
    title: "user 0 is root",
    annotations: { "agent-run-as-user": "0" },
    want: security({ runAsUser: 0, runAsNonRoot: false }),
  },
  {
    title: "group 0 is root's",
    annotations: { "agent-run-as-group": "0" },
    want: security({ runAsGroup: 0, runAsNonRoot: false }),
  },
  {
    title: "the user of the first container",
    annotations: { "agent-run-as-same-user": "true" },
    given: (pod) => {
      for (const container of pod.spec.containers) container.securityContext = { runAsUser: 4711 };
    },
    want: security({ runAsUser: 4711 }),
  },
  {
    title: "the user of the pod, if the container has none",
    annotations: { "agent-run-as-same-user": "true" },
    given: (pod) => {
      pod.spec.securityContext = { runAsUser: 4712 };
    },
    want: security({ runAsUser: 4712 }),
  },
  {
    title: "the user of the container that gets the files",
    annotations: { "agent-run-as-same-user": "true", "agent-inject-containers": "log" },
    given: (pod) => {
      for (const [at, container] of pod.spec.containers.entries()) container.securityContext = { runAsUser: 10 + at };
    },
    want: both(security({ runAsUser: 11 }), ({ web }) => void web.volumeMounts?.pop()),
  },
  {
    title: "different users, with a warning",
    annotations: { "agent-run-as-same-user": "true" },
    given: (pod) => {
      for (const [at, container] of pod.spec.containers.entries()) container.securityContext = { runAsUser: 10 + at };
    },
    want: security({ runAsUser: 10 }),
    warnings: [/^vault\.hashicorp\.com\/agent-run-as-same-user: the containers that get the files run as different/],
  },
  { title: "no security context", annotations: { "agent-set-security-context": "false" }, want: noSecurity },
  {
    title: "no security context although a user is set",
    annotations: { "agent-set-security-context": "false", "agent-run-as-user": "7" },
    want: noSecurity,
  },
  {
    title: "no security context by the settings",
    settings: { setSecurityContext: false },
    want: noSecurity,
  },
  {
    title: "a user turns the security context on again",
    annotations: { "agent-run-as-user": "7" },
    settings: { setSecurityContext: false },
    want: security({ runAsUser: 7 }),
  },
];
