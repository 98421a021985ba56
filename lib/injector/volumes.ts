import type { JsonObject } from "../util/json.ts";
import type { Injection } from "./injection.ts";

/** The volumes of the agent. */
export const VOLUMES = {
  homeInit: "home-init",
  homeSidecar: "home-sidecar",
  secrets: "vault-secrets",
  custom: (at: number) => `vault-secrets-custom-${at}`,
  config: "vault-config",
  extra: "extra-secrets",
  tls: "vault-tls-secrets",
  cache: "vault-agent-cache",
} as const;

/** The volumes that the pod gets, in their order. */
export function agentVolumes({ shape, customMounts, configMap, values }: Injection): readonly JsonObject[] {
  return [
    ...(shape.hasInit ? [memory(VOLUMES.homeInit)] : []),
    ...(shape.hasSidecar ? [memory(VOLUMES.homeSidecar)] : []),
    memory(VOLUMES.secrets),
    ...customMounts.map((_, at) => memory(VOLUMES.custom(at))),
    ...(configMap === undefined ? [] : [{ name: VOLUMES.config, configMap: { name: configMap } }]),
    ...ofSecret(VOLUMES.extra, values.get("agent-extra-secret")),
    ...ofSecret(VOLUMES.tls, values.get("tls-secret")),
    ...(shape.cache === "persistent" ? [memory(VOLUMES.cache)] : []),
  ];
}

function memory(name: string): JsonObject {
  return { name, emptyDir: { medium: "Memory" } };
}

function ofSecret(name: string, secretName: string | undefined): readonly JsonObject[] {
  return secretName === undefined ? [] : [{ name, secret: { secretName } }];
}
