import { VAULT_PREFIX } from "./annotations.ts";
import type { Injection } from "./injection.ts";
import type { Notes } from "./notes.ts";

/** What of a pod's tokens is revoked when it stops. */

export function isRevoked({ values, settings }: Pick<Injection, "values" | "settings">): boolean {
  return values.get("agent-revoke-on-shutdown") ?? settings.revokeOnShutdown;
}

/** Seconds. */
export function revokeGrace({ values }: Pick<Injection, "values">): number {
  return values.get("agent-revoke-grace") ?? 5;
}

/** Kubernetes' own default. */
const TERMINATION_SECONDS = 30;

/** Warns of what stays valid although the pod is to revoke its token. */
export function warnOfUnrevoked(injection: Injection, notes: Notes): void {
  const { shape, pod, configMap } = injection;
  if (!isRevoked(injection)) return;
  const subject = `${VAULT_PREFIX}agent-revoke-on-shutdown`;
  if (!shape.hasSidecar && shape.hasInit) {
    notes.warn(subject, "has no effect with agent-pre-populate-only: the token and its leases stay until their end");
  }
  if (!shape.hasSidecar) return;
  // With a ConfigMap, the agent's cache is what that says.
  if (shape.hasInit && shape.cache === "none" && configMap === undefined) {
    notes.warn(
      subject,
      "the token and the leases of vault-agent-init are not revoked: with agent-cache-enable the sidecar takes them over",
    );
  }
  const { terminationGracePeriodSeconds = TERMINATION_SECONDS } = pod;
  if (!shape.isNative && revokeGrace(injection) >= terminationGracePeriodSeconds) {
    notes.warn(
      `${VAULT_PREFIX}agent-revoke-grace`,
      "is not shorter than terminationGracePeriodSeconds of the pod, so that Kubernetes ends the agent before it revokes",
    );
  }
}
