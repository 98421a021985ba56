import type { Wanted } from "../wanted.ts";
import { both, each, INIT_STAYS, inTemplate, type PodCase, template, withoutInit } from "./case.ts";

/** What HashiCorp's injector does not do. */

const DIGEST = `sha256:${"a1".repeat(32)}`;

function image(name: string): (wanted: Wanted) => void {
  return each((agent) => {
    agent.image = name;
  });
}

function bao(line: string): string {
  return line.replace("&& vault agent", "&& bao agent");
}

export const BEYOND: readonly PodCase[] = [
  {
    title: "a native sidecar",
    settings: { nativeSidecar: true },
    given: (pod) => {
      pod.spec.initContainers = [{ name: "first", image: "busybox:1" }];
    },
    want: ({ pod, sidecar }) => {
      sidecar.restartPolicy = "Always";
      pod.spec.containers.pop();
      pod.spec.initContainers?.push(sidecar);
    },
  },
  {
    title: "a native sidecar before other init containers",
    annotations: { "keyferry.dev/agent-native-sidecar": "true", "agent-init-first": "true" },
    given: (pod) => {
      pod.spec.initContainers = [{ name: "first", image: "busybox:1" }];
    },
    want: ({ pod, init, sidecar }) => {
      sidecar.restartPolicy = "Always";
      pod.spec.containers.pop();
      pod.spec.initContainers = [init, sidecar, ...(pod.spec.initContainers?.slice(0, 1) ?? [])];
    },
  },
  {
    title: "a native sidecar alone",
    annotations: { "agent-pre-populate": "false" },
    settings: { nativeSidecar: true },
    want: both(withoutInit, ({ pod, sidecar }) => {
      sidecar.restartPolicy = "Always";
      pod.spec.containers.pop();
      pod.spec.initContainers = [sidecar];
    }),
  },
  {
    title: "a native sidecar revokes its token after its end, which comes last, and without a grace",
    annotations: { "agent-revoke-on-shutdown": "true", "agent-revoke-grace": "40" },
    settings: { nativeSidecar: true },
    warnings: [INIT_STAYS],
    want: ({ pod, sidecar }) => {
      sidecar.restartPolicy = "Always";
      pod.spec.containers.pop();
      pod.spec.initContainers?.push(sidecar);
      const agent = "vault agent -config=/home/vault/config.json";
      const revoke =
        'VAULT_TOKEN="$(cat /home/vault/.vault-token)" vault token revoke -address=https://vault.example.com:8200 -self';
      sidecar.args = (sidecar.args ?? []).map((line) =>
        line.replace(
          agent,
          () =>
            `{ trap 'stopped=1; kill -TERM $! || :' TERM; ${agent} & code=0; wait $! || code=$?; if [ -n "\${stopped:-}" ]; then wait $! || :; ${revoke}; else exit $code; fi; }`,
        ),
      );
    },
  },
  {
    title: "no native sidecar",
    annotations: { "keyferry.dev/agent-native-sidecar": "false" },
    settings: { nativeSidecar: true },
  },
  {
    title: "a seccomp profile",
    settings: { seccompProfile: "RuntimeDefault" },
    want: each((agent) => {
      agent.securityContext = { ...(agent.securityContext as object), seccompProfile: { type: "RuntimeDefault" } };
    }),
  },
  {
    title: "no seccomp profile",
    annotations: { "keyferry.dev/agent-seccomp-profile": "none" },
    settings: { seccompProfile: "RuntimeDefault" },
  },
  {
    title: "OpenBao's agent",
    settings: { binary: "bao", image: "openbao/openbao:2.7.2" },
    want: both(
      image("openbao/openbao:2.7.2"),
      each((agent) => {
        agent.args = agent.args?.map(bao) ?? [];
      }),
    ),
  },
  {
    title: "OpenBao's agent revokes its token",
    annotations: { "keyferry.dev/agent-binary": "bao", "agent-revoke-on-shutdown": "true" },
    want: both(
      each((agent) => {
        agent.args = agent.args?.map(bao) ?? [];
      }),
      ({ sidecar }) => {
        const line =
          'sleep 5 && VAULT_TOKEN="$(cat /home/vault/.vault-token)" bao token revoke -address=https://vault.example.com:8200 -self';
        sidecar.lifecycle = { preStop: { exec: { command: ["/bin/sh", "-c", line] } } };
      },
    ),
    warnings: [INIT_STAYS],
  },
  {
    title: "an allowed image is pinned to its digest",
    annotations: { "agent-image": "registry.example.com/vault:1.21.2" },
    settings: { allowedImages: [`registry.example.com/vault:1.21.2@${DIGEST}`] },
    want: image(`registry.example.com/vault:1.21.2@${DIGEST}`),
  },
  {
    title: "the default image is pinned to its digest",
    settings: { allowedImages: [`hashicorp/vault:2.0.4@${DIGEST}`] },
    want: image(`hashicorp/vault:2.0.4@${DIGEST}`),
  },
  {
    title: "the default image is allowed",
    settings: { allowedImages: [] },
  },
  {
    title: "the default image is allowed to pods that name it, too",
    annotations: {
      "agent-image": "hashicorp/vault:2.0.4",
      "agent-json-patch":
        '[{"op":"remove","path":"/image"},{"op":"add","path":"/image","value":"hashicorp/vault:2.0.4"}]',
    },
    settings: { allowedImages: [] },
  },
  {
    title: "a patch that removes the image",
    annotations: { "agent-json-patch": '[{"op":"remove","path":"/image"}]' },
    want: ({ sidecar }) => void delete sidecar.image,
    isImpossible: true,
  },
  {
    title: "an image of an allowed registry",
    annotations: { "agent-image": "registry.example.com/teams/vault:1" },
    settings: { allowedImages: ["registry.example.com/*", "vault:*"] },
    want: image("registry.example.com/teams/vault:1"),
  },
  {
    title: "an image that a patch names is pinned too",
    annotations: { "agent-json-patch": '[{"op":"replace","path":"/image","value":"vault:1"}]' },
    settings: { allowedImages: [`vault:1@${DIGEST}`] },
    want: ({ sidecar }) => {
      sidecar.image = `vault:1@${DIGEST}`;
    },
  },
  {
    title: "a secret as environment variables",
    annotations: { "keyferry.dev/agent-env-db": "true", "agent-inject-containers": "web" },
    given: (pod) => {
      const [web] = pod.spec.containers;
      if (web !== undefined) Object.assign(web, { command: ["/bin/web", "--port", "80"], args: ["--verbose"] });
    },
    want: both(
      ({ web, log }) => {
        log.volumeMounts?.pop();
        web.command = ["/bin/sh", "-c", '. /vault/secrets/db && exec "$@"', "sh", "/bin/web", "--port", "80"];
      },
      inTemplate({
        contents: [
          '{{ with secret "kv/data/shop" }}{{ $d := .Data }}',
          '{{ if and (index .Data "data") (index .Data "metadata") }}{{ $d = index .Data "data" }}{{ end }}',
          '{{ range $k, $v := $d }}export {{ $k | regexReplaceAll "[^A-Za-z0-9_]" "_" | regexReplaceAll "^([0-9])" "_$1" }}',
          `='{{ $v | printf "%v" | replaceAll "'" "'\\\\''" }}'\n`,
          "{{ end }}{{ end }}",
        ].join(""),
      }),
    ),
  },
  {
    title: "a template of environment variables",
    annotations: {
      "keyferry.dev/agent-env-db": "true",
      "agent-inject-template-db": "export A=1",
      "agent-inject-file-db": "my env",
    },
    given: (pod) => {
      for (const container of pod.spec.containers) container.command = ["/bin/app"];
    },
    want: both(
      ({ web, log }) => {
        for (const one of [web, log]) {
          one.command = ["/bin/sh", "-c", ". '/vault/secrets/my env' && exec \"$@\"", "sh", "/bin/app"];
        }
      },
      ({ configs }) => {
        for (const one of configs) one.template = [template("/vault/secrets/my env", { contents: "export A=1" })];
      },
    ),
  },
];
