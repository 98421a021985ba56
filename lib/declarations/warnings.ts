import type { FoundAuth } from "./find-auth.ts";
import { lacksAudience } from "./login-method.ts";

/** A problem of a resource that works: a condition that is true while the problem lasts, and an event. */
export interface Warned {
  readonly type: "AudienceMissing";
  readonly reason: string;
  readonly message: string;
}

/** Warnings about a valid VaultAuth. */
export function warningsOfAuth({ spec, subject }: FoundAuth): readonly Warned[] {
  if (!lacksAudience(spec)) return [];
  const message = `${subject} names no audiences: the service account's token that its VaultConnection's address is sent is good for the cluster's own API server; set spec.${spec.method}.audiences, and the role's audience in Vault`;
  return [{ type: "AudienceMissing", reason: "NoAudiences", message }];
}
